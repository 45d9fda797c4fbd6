"""Everything that can be wrong with the Jobs of a run, found before the first is submitted.

Each object is decoded, gets its defaults, is validated with Kubernetes' rules and messages, and then shown to the node
that shall run its pods. All faults of all objects are collected. What a ledger already knows is `resume.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple, cast

from msgspec import structs

from podledger.api.decode import decode_job
from podledger.api.defaults import prepare_for_create
from podledger.api.field_error import FieldError
from podledger.api.fields import TYPES, inspect_fields
from podledger.api.job import Job, JobKey
from podledger.api.validation import validate_job
from podledger.errors import UndecodableObject
from podledger.job.names import JOB_CONTROLLER, PODLEDGER_CONTROLLER
from podledger_adapters.cli.manifest import ManifestObject
from podledger_adapters.manifest.fault import Fault

__all__ = ["OURS", "PodCheck", "Submission", "check_jobs", "wrong_form"]

PodCheck = Callable[[Mapping[str, Any], str], Sequence[FieldError]]
"""Whether a node can run pods of this spec, which stands at this path of the Job."""

ANY_UID = "00000000-0000-4000-8000-000000000000"
"""Stands for the uid a Job will get: validation compares generated labels with it."""
ANY_TIME = datetime(2030, 1, 1, tzinfo=UTC)
ANY_SUFFIX = "xxxxx"
"""Stands for what follows generateName."""

OURS = (JOB_CONTROLLER, PODLEDGER_CONTROLLER)
"""The controllers whose Jobs a run takes care of."""
RESTART_POLICY = "spec.template.spec.restartPolicy"
HINTS = {RESTART_POLICY: "a Job's pods run to an end: write restartPolicy: Never, or OnFailure to restart in place"}
"""The way out, where Kubernetes' own message does not say it."""


class Submission(NamedTuple):
    """A Job that may be submitted, and where it was read."""

    source: ManifestObject
    job: Job


def check_jobs(
    objects: Sequence[ManifestObject], *, namespace: str | None, check_pod: PodCheck | None
) -> tuple[Sequence[Submission], Sequence[Fault]]:
    """The Jobs among the objects, and all that is wrong with them.

    `namespace` is the one asked for on the command line; None means "default" where an object names none.
    """
    submissions: list[Submission] = []
    faults: list[Fault] = []
    seen: dict[JobKey, ManifestObject] = {}
    for source in objects:
        found = list(wrong_form(source, namespace, "Job"))
        if found:
            faults.extend(found)
            continue
        try:
            job = decode_job(source.value, namespace=namespace or "default")
        except UndecodableObject as error:
            faults.append(source.fault(str(error)))
            continue
        found = list(_wrong_values(source, job, check_pod))
        if job.metadata.name:
            first = seen.setdefault(job.key, source)
            if first is not source:
                text = f"Job {job.key} is given twice (first in {first.document.place(first.prefix)}); rename one"
                found.append(source.fault(text, "metadata.name"))
        faults.extend(found)
        if not found:
            submissions.append(Submission(source, job))
    return submissions, faults


def wrong_form(source: ManifestObject, namespace: str | None, wanted: str) -> Iterator[Fault]:
    """Another kind of object than wanted, unknown fields, values of a wrong type, another namespace than asked for."""
    value = source.value
    kind, version = value.get("kind"), value.get("apiVersion")
    if kind != wanted:
        yield source.fault(_wrong_kind(kind), "kind")
        return
    if version != "batch/v1":
        wrong = "missing" if version is None else f"{version} is not served"
        yield source.fault(f"{wrong}; write apiVersion: batch/v1", "apiVersion")
        return
    _, report = inspect_fields(wanted, value)
    for unknown in report.unknown:
        close = get_close_matches(unknown.name, TYPES[unknown.owner], n=1)
        way_out = f"did you mean {close[0]}?" if close else "remove it"
        place = source.fault("", unknown.path).place
        yield Fault(place, f'unknown field "{source.fault("", unknown.path).field}"; {way_out}')
    for wrong_type in report.wrong:
        yield source.fault(wrong_type.text, wrong_type.path)
    metadata: object = value.get("metadata")
    own = cast("dict[str, object]", metadata).get("namespace") if isinstance(metadata, dict) else None
    if namespace is not None and own not in (None, "", namespace):
        text = f"{own} is not the namespace asked for; leave --namespace {namespace} out, or say --namespace {own}"
        yield source.fault(text, "metadata.namespace")


def _wrong_kind(kind: object) -> str:
    if kind is None:
        return "missing; write kind: Job and apiVersion: batch/v1"
    if kind == "CronJob":
        return "CronJob runs for good; say for how long with --for 5m, or keep it running with podledger serve"
    meant = "did you mean Job?" if str(kind).lower() in ("job", "jobs") else "take this document out"
    return f"{kind} cannot be run, only batch/v1 Jobs can; {meant}"


def _wrong_values(source: ManifestObject, job: Job, check_pod: PodCheck | None) -> Iterator[Fault]:
    """What Kubernetes would refuse, then what the node cannot run."""
    metadata = job.metadata
    if not metadata.name and metadata.generate_name:
        metadata = structs.replace(metadata, name=metadata.generate_name + ANY_SUFFIX)
    created = prepare_for_create(structs.replace(job, metadata=metadata), uid=ANY_UID, now=ANY_TIME)
    causes = validate_job(created)
    for cause in causes:
        hint = HINTS.get(cause.field)
        yield source.fault(f"{cause.message}; {hint}" if hint else cause.message, cause.field)
    if causes:
        return
    if job.spec.managed_by not in (None, *OURS):
        text = f"{job.spec.managed_by} manages this Job, so that a run would wait for ever; take the field out"
        yield source.fault(text, "spec.managedBy")
    if check_pod is None:
        return
    for cause in check_pod(created.spec.template.spec, "spec.template.spec"):
        yield source.fault(cause.message, cause.field)

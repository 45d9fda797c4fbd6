"""What can be wrong with the CronJobs of a run, and what a ledger that knows them means; before anything is started.

As `preflight.py` and `resume.py` are for Jobs, with what they have in common taken from there.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import structs

from podledger.api.cronjob import CronJob
from podledger.api.decode import decode_cronjob
from podledger.api.defaults import with_cronjob_defaults
from podledger.api.go_duration import SECOND_NS, InvalidDuration, parse_duration
from podledger.api.job import JobKey
from podledger.api.validation import validate_cronjob
from podledger.errors import InputError, UndecodableObject
from podledger_adapters.cli.manifest import ManifestObject
from podledger_adapters.cli.preflight import OURS, PodCheck, wrong_form
from podledger_adapters.cli.resume import differences, differs
from podledger_adapters.manifest.fault import Fault

__all__ = ["CronPlan", "check_cronjobs", "is_cronjob", "parse_for", "plan_cronjobs"]

TEMPLATE = "spec.jobTemplate.spec"


class CronPlan(NamedTuple):
    """One CronJob of a run, and where it was read; `stored` is None for one that the ledger does not know."""

    source: ManifestObject
    cronjob: CronJob
    stored: CronJob | None = None


def parse_for(text: str) -> float:
    """The seconds of `--for 5m`. Raises InputError."""
    try:
        seconds = parse_duration(text) / SECOND_NS
    except InvalidDuration as error:
        raise InputError(f"--for {text}: is no duration; write 90s, 5m or 1h30m") from error
    if seconds <= 0:
        raise InputError(f"--for {text}: must be more than nothing; write 90s, 5m or 1h30m")
    return seconds


def is_cronjob(source: ManifestObject) -> bool:
    """Whether an object of a manifest says that it is a CronJob."""
    return source.value.get("kind") == "CronJob"


def check_cronjobs(
    objects: Sequence[ManifestObject], *, namespace: str | None, check_pod: PodCheck | None
) -> tuple[Sequence[CronPlan], Sequence[Fault]]:
    """The CronJobs, and all that is wrong with them."""
    plans: list[CronPlan] = []
    faults: list[Fault] = []
    seen: dict[JobKey, ManifestObject] = {}
    for source in objects:
        found = list(wrong_form(source, namespace, "CronJob"))
        if not found:
            try:
                cronjob = with_cronjob_defaults(decode_cronjob(source.value, namespace=namespace or "default"))
            except UndecodableObject as error:
                faults.append(source.fault(str(error)))
                continue
            found = _wrong_values(source, cronjob, check_pod)
            first = seen.setdefault(cronjob.key, source)
            if first is not source:
                place = first.document.place(first.prefix)
                text = f"CronJob {cronjob.key} is given twice (first in {place}); rename one"
                found.append(source.fault(text, "metadata.name"))
            plans.append(CronPlan(source, cronjob))
        faults.extend(found)
    return plans, faults


def _wrong_values(source: ManifestObject, cronjob: CronJob, check_pod: PodCheck | None) -> list[Fault]:
    """What Kubernetes would refuse, then what cannot be run here."""
    causes = validate_cronjob(cronjob)
    if causes:
        return [source.fault(cause.message, cause.field) for cause in causes]
    spec = cronjob.spec.job_template.spec
    if spec.managed_by not in (None, *OURS):
        text = f"{spec.managed_by} manages these Jobs, so that a run would wait for ever; take the field out"
        return [source.fault(text, f"{TEMPLATE}.managedBy")]
    if check_pod is None:
        return []
    return [
        source.fault(cause.message, cause.field) for cause in check_pod(spec.template.spec, f"{TEMPLATE}.template.spec")
    ]


def plan_cronjobs(
    plans: Sequence[CronPlan], stored: Mapping[tuple[str, str], CronJob]
) -> tuple[list[CronPlan], list[Fault]]:
    """The CronJobs with what a ledger knows of them, and those that it knows as something else."""
    known: list[CronPlan] = []
    faults: list[Fault] = []
    for plan in plans:
        before = stored.get(plan.cronjob.key)
        if before is not None:
            fields = list(differences("spec", _plain(plan.cronjob), _plain(before)))
            if fields:
                faults.append(plan.source.fault(differs("CronJob", plan.cronjob.key, fields), fields[0]))
        known.append(plan._replace(stored=before))
    return known, faults


def _plain(cronjob: CronJob) -> object:
    return msgspec.to_builtins(structs.replace(cronjob.spec, suspend=False))

"""What a ledger that already knows a Job of the manifests means for a run: start, resume, only report, or refuse.

Pure: the decision only. Specs are compared as they are stored, defaults and generated fields filled in on both sides;
`spec.suspend` is put back by resuming and is by itself no difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, cast

import msgspec
from msgspec import structs

from podledger.api.defaults import prepare_for_create
from podledger.api.job import Job, JobKey, JobSpec
from podledger_adapters.cli.preflight import Submission
from podledger_adapters.manifest.fault import Fault

__all__ = ["Plan", "difference", "differences", "differs", "plan_run"]

MAX_NAMED = 5
"""How many differing fields a message names."""

Step = Literal["start", "resume", "report"]


class Plan(NamedTuple):
    """What to do with one Job: `stored` is None for one to start."""

    step: Step
    job: Job
    stored: Job | None

    @property
    def suspend(self) -> bool:
        """What the manifest says of spec.suspend."""
        return bool(self.job.spec.suspend)


def plan_run(
    submissions: Sequence[Submission], stored: Mapping[tuple[str, str], Job]
) -> tuple[list[Plan], list[Fault]]:
    """What to do with each Job, given the Jobs a ledger holds by namespace and name; and those that are others."""
    plans: list[Plan] = []
    faults: list[Fault] = []
    for source, job in submissions:
        known = stored.get(job.key) if job.metadata.name else None
        if known is None:
            plans.append(Plan("start", job, None))
            continue
        if known.metadata.deletion_timestamp is not None:
            text = f"Job {job.key} is being deleted in this ledger; use another --db, or another name"
            faults.append(source.fault(text, "metadata.name"))
            continue
        fields = difference(job, known)
        if fields:
            faults.append(source.fault(differs("Job", job.key, fields), fields[0]))
            continue
        plans.append(Plan("report" if known.status.finished else "resume", job, known))
    return plans, faults


def differs(kind: str, key: JobKey, fields: Sequence[str]) -> str:
    """That a ledger knows an object of this name as another one, and the way out."""
    more = f" and {len(fields) - MAX_NAMED} more" if len(fields) > MAX_NAMED else ""
    return (
        f"this ledger knows {kind} {key} with another spec (differs in {', '.join(fields[:MAX_NAMED])}{more}); "
        "restore the manifest to resume it, or use another --db or another name"
    )


def difference(job: Job, stored: Job) -> Sequence[str]:
    """The paths of the spec's fields in which a manifest's Job differs from the stored one; suspend is left out."""
    created = stored.metadata.creation_timestamp
    assert created is not None, "a stored Job has a creationTimestamp"
    wanted = prepare_for_create(job, uid=stored.metadata.uid, now=created)
    return list(differences("spec", _plain(wanted.spec), _plain(stored.spec)))


def _plain(spec: JobSpec) -> object:
    return msgspec.to_builtins(structs.replace(spec, suspend=False))


def differences(path: str, one: object, other: object) -> Iterator[str]:
    """The paths at which two plain JSON values differ."""
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("dict[str, object]", one), cast("dict[str, object]", other)
        for name in dict.fromkeys([*left, *right]):
            yield from differences(f"{path}.{name}", left.get(name), right.get(name))
        return
    if isinstance(one, list) and isinstance(other, list):
        items = list(zip(cast("list[object]", one), cast("list[object]", other), strict=False))
        if len(items) == len(cast("list[object]", one)) == len(cast("list[object]", other)):
            for i, (mine, theirs) in enumerate(items):
                yield from differences(f"{path}[{i}]", mine, theirs)
            return
    yield path

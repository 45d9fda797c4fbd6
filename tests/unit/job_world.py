"""Shorthand for objects: Jobs by few words, pods by texts such as `2R S F@0(1)!5`.

A pod is written KIND with what follows it: `P`ending, `R`unning, `S`ucceeded, `F`ailed, `T`erminating (running with a
deletionTimestamp); `@i` its completion index (`@x`: an annotation that is no number), `(n)` its index's failures
before it, `!code` the exit code of container main, `*n` its restarts. Words behind commas: `ready`, `nf` without the
tracking finalizer, `new` ended just now and not long ago. `name=` in front names it, else it is called by its kind and
number (`R1`) or kind and index (`R@0`); its uid is its name. A number in front repeats it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from tests.unit.job_performer import JOB_UID, START_S, at

from podledger.api.job import (
    Job,
    JobCondition,
    JobSpec,
    JobStatus,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
    PodTemplateSpec,
    SuccessPolicy,
    SuccessPolicyRule,
    UncountedTerminatedPods,
)
from podledger.api.meta import ObjectMeta
from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
)
from podledger.job.names import COMPLETION_INDEX, FINALIZER, IGNORED_FAILURE_COUNT, INDEX_FAILURE_COUNT
from podledger.job.template import owner_reference

__all__ = [
    "LONG_AGO_S",
    "condition",
    "fail_policy",
    "job",
    "make_pod",
    "pods_of",
    "status",
    "status_of_phase",
    "success_policy",
]

JOB_NAME = "job"
LONG_AGO_S = START_S - 3600
"""When pods began that did so long ago: every back-off after them is over."""

_TOKEN = re.compile(
    r"(?:(?P<name>\w+)=)?(?P<times>\d*)(?P<kind>[PRSFT])(?:@(?P<index>\w+))?(?:\((?P<count>\d+)\))?"
    r"(?:!(?P<code>\d+))?(?:\*(?P<restarts>\d+))?(?P<words>(?:,\w+)*)"
)
_PHASES = {"P": "Pending", "R": "Running", "S": "Succeeded", "F": "Failed", "T": "Running"}


# ---- Jobs ---------------------------------------------------------------------------------------------------------


def job(*, restart: str = "Never", given: JobStatus | None = None, **spec: object) -> Job:
    """A Job called `job`; keywords are fields of JobSpec, `given` is the status it has already."""
    container = {"name": "main", "image": "busybox"}
    template = PodTemplateSpec(spec={"containers": [container], "restartPolicy": restart})
    return Job(
        metadata=ObjectMeta(name=JOB_NAME, namespace="default"),
        spec=JobSpec(template=template, **spec),  # type: ignore[arg-type]  # the constructor checks what it is given
        status=given or JobStatus(),
    )


def fail_policy(action: str, *codes: int) -> PodFailurePolicy:
    """One rule: this action for exit codes In this list."""
    codes_in = PodFailurePolicyOnExitCodesRequirement(operator="In", values=codes)
    return PodFailurePolicy(rules=(PodFailurePolicyRule(action=action, on_exit_codes=codes_in),))


def success_policy(indexes: str | None, count: int | None = None) -> SuccessPolicy:
    """One rule."""
    return SuccessPolicy(rules=(SuccessPolicyRule(succeeded_indexes=indexes, succeeded_count=count),))


def condition(type_: str, value: str = "True", reason: str = "Reason", message: str = "message") -> JobCondition:
    """A condition that was set long ago."""
    when = at(LONG_AGO_S)
    return JobCondition(
        type=type_, status=value, reason=reason, message=message, last_probe_time=when, last_transition_time=when
    )


def status(
    *conditions: JobCondition,
    started: bool = True,
    uncounted: tuple[Sequence[str], Sequence[str]] = ((), ()),
    **fields: object,
) -> JobStatus:
    """A status as some controller left it: started long ago unless said otherwise."""
    listed = UncountedTerminatedPods(succeeded=tuple(uncounted[0]), failed=tuple(uncounted[1]))
    made = JobStatus(
        conditions=conditions,
        start_time=at(LONG_AGO_S) if started else None,
        uncounted_terminated_pods=listed,
        ready=0,
        terminating=0,
    )
    return replace(made, **fields)


# ---- pods ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Word:
    """One pod of the shorthand."""

    kind: str
    index: str | None
    count: int
    code: int | None
    restarts: int
    words: frozenset[str]


def pods_of(text: str) -> dict[str, Pod]:
    """The pods a text stands for, by their names and in its order."""
    pods: dict[str, Pod] = {}
    numbers: dict[str, int] = {}
    for token in text.split():
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise ValueError(f"no pod is written {token!r}")
        word = _Word(
            kind=found["kind"],
            index=found["index"],
            count=int(found["count"] or 0),
            code=None if found["code"] is None else int(found["code"]),
            restarts=int(found["restarts"] or 0),
            words=frozenset(found["words"].split(",")[1:]),
        )
        for _ in range(int(found["times"] or 1)):
            stem = word.kind if word.index is None else f"{word.kind}@{word.index}"
            numbers[stem] = numbers.get(stem, 0) + 1
            name = found["name"] or (f"{stem}{numbers[stem]}" if word.index is None else stem)
            if name in pods:
                raise ValueError(f"two pods are called {name}")
            pods[name] = _pod(name, word)
    return pods


def _pod(name: str, word: _Word) -> Pod:
    ended_s = START_S if "new" in word.words else LONG_AGO_S + 60
    pod = make_pod(
        name,
        index=word.index,
        count=word.count,
        finalizer="nf" not in word.words,
        node=word.kind != "P",
        status=status_of_phase(
            _PHASES[word.kind],
            ended_s,
            code=word.code,
            restarts=word.restarts,
            ready="ready" in word.words,
        ),
    )
    if word.kind != "T":
        return pod
    meta = replace(pod.metadata, deletion_timestamp=at(ended_s + 30), deletion_grace_period_seconds=30)
    return replace(pod, metadata=meta)


def make_pod(
    name: str,
    *,
    index: str | None = None,
    count: int = 0,
    ignored: int = 0,
    finalizer: bool = True,
    node: bool = True,
    status: PodStatus | None = None,
) -> Pod:
    """A pod of the Job, created long ago."""
    notes: Mapping[str, str] = {}
    if index is not None:
        notes = {COMPLETION_INDEX: index, INDEX_FAILURE_COUNT: str(count)}
        if ignored:
            notes = {**notes, IGNORED_FAILURE_COUNT: str(ignored)}
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=name,
            creation_timestamp=at(LONG_AGO_S),
            labels={"batch.kubernetes.io/controller-uid": JOB_UID},
            annotations=notes,
            owner_references=(owner_reference(JOB_UID, JOB_NAME),),
            finalizers=(FINALIZER,) if finalizer else (),
        ),
        spec=PodSpec(base={"containers": [{"name": "main"}]}, node_name="node" if node else ""),
        status=status or PodStatus(phase="Pending"),
    )


def status_of_phase(
    phase: str, ended_s: float, *, code: int | None = None, restarts: int = 0, ready: bool = False
) -> PodStatus:
    """What a kubelet reports of a pod with the one container main; `ended_s` matters if it ended."""
    if phase == "Pending":
        return PodStatus(phase=phase)
    state = ContainerState(running=ContainerStateRunning(started_at=at(LONG_AGO_S)))
    if phase in ("Succeeded", "Failed"):
        if code is None:
            code = 0 if phase == "Succeeded" else 1
        state = ContainerState(terminated=ContainerStateTerminated(exit_code=code, finished_at=at(ended_s)))
    conditions = (PodCondition(type="Ready", status="True", last_transition_time=at(LONG_AGO_S)),) if ready else ()
    return PodStatus(
        phase=phase,
        start_time=at(LONG_AGO_S),
        conditions=conditions,
        container_statuses=(ContainerStatus(name="main", state=state, restart_count=restarts, ready=ready),),
    )

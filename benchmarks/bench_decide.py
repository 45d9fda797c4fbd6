"""What the pure half costs: observe, fold, decide for one Job of many pods, driven to Complete by a perfect performer.

No log, no store, no event loop: each pod is created, scheduled, runs, is ready and succeeds, and everything the rules
make of it is folded. CPU time is counted, what the performer spends left out.
"""

import gc
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import process_time
from typing import NamedTuple

from msgspec.structs import replace

from benchmarks.harness import Measured, at_least, at_most, benchmark, digest_of
from podledger.api.defaults import prepare_for_create
from podledger.api.job import Job, JobSpec, JobStatus, PodTemplateSpec
from podledger.api.meta import ObjectMeta
from podledger.api.pod import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
)
from podledger.job import command as cmd
from podledger.job.decision import decide, proceed
from podledger.job.event import JobEvent
from podledger.job.fold import fold
from podledger.job.observation import observe_job, observe_pod
from podledger.job.outcome import Created, Done, Outcome, observe_outcome
from podledger.job.state import JobState

__all__ = ["decide_one_job"]

SECOND = 1_893_456_000
NOW = datetime.fromtimestamp(SECOND, UTC)
CHUNK = 250
"""Pods that report between two syncs."""

_ready = PodCondition(type="Ready", status="True", last_transition_time=NOW)
_ended = ContainerState(terminated=ContainerStateTerminated(exit_code=0, finished_at=NOW))
RUNNING = PodStatus(phase="Running", start_time=NOW, conditions=(_ready,))
SUCCEEDED = PodStatus(
    phase="Succeeded", start_time=NOW, container_statuses=(ContainerStatus(name="main", state=_ended),)
)


class Size(NamedTuple):
    """Pods of the large Job, pods of the one it is compared with, and parallelism of both."""

    pods: int
    few: int
    parallelism: int


@dataclass
class Cost:
    """Seconds and events spent in each part."""

    observe_s: float = 0.0
    fold_s: float = 0.0
    decide_s: float = 0.0
    folded: int = 0
    decided: int = 0

    @property
    def total_s(self) -> float:
        """All parts."""
        return self.observe_s + self.fold_s + self.decide_s


@dataclass
class Drive:
    """One Job on its way."""

    state: JobState
    random: random.Random
    cost: Cost = field(default_factory=Cost)
    live: list[Pod] = field(default_factory=list[Pod])
    fresh: list[Pod] = field(default_factory=list[Pod])
    revision: int = 1000
    syncs: int = 0

    def fold_all(self, events: Sequence[JobEvent]) -> None:
        """Fold, timed."""
        state, began = self.state, process_time()
        for event in events:
            fold(state, event)
        self.cost.fold_s += process_time() - began
        self.cost.folded += len(events)

    def report(self, pods: Sequence[Pod]) -> None:
        """The watch shows these pods."""
        state, began = self.state, process_time()
        events: list[JobEvent] = []
        for pod in pods:
            events += observe_pod(state, pod)
        self.cost.observe_s += process_time() - began
        self.fold_all(events)

    def sync(self) -> None:
        """One sync, every call answered as it should be."""
        make = decide
        self.syncs += 1
        while True:
            began = process_time()
            decision = make(self.state, float(SECOND))
            self.cost.decide_s += process_time() - began
            self.cost.decided += len(decision.events)
            if not decision.events and not decision.commands:
                return
            self.fold_all(decision.events)
            outcomes = [self.answer(command) for command in decision.commands]
            began = process_time()
            events: list[JobEvent] = []
            for command, outcome in zip(decision.commands, outcomes, strict=True):
                events += observe_outcome(self.state, command, outcome, SECOND)
            self.cost.observe_s += process_time() - began
            self.fold_all(events)
            make = proceed

    def answer(self, command: cmd.Command) -> Outcome:
        """What a perfect cluster answers."""
        self.revision += 1
        if not isinstance(command, cmd.CreatePod):
            return Done(str(self.revision))
        uid = f"{self.revision:08x}-0000-4000-8000-000000000000"
        pod = command.pod
        meta = replace(pod.metadata, uid=uid, resource_version=str(self.revision), creation_timestamp=NOW)
        pod = replace(pod, metadata=meta, status=PodStatus(phase="Pending"))
        self.fresh.append(pod)
        return Created(pod)

    def kubelet(self) -> None:
        """What was created is scheduled and runs; some of what runs, in any order, succeeds."""
        started = [
            replace(pod, spec=PodSpec(base=pod.spec.base, hostname=pod.spec.hostname, node_name="node"), status=RUNNING)
            for pod in self.fresh
        ]
        self.fresh = []
        self.report(started)
        self.live += started
        ended: list[Pod] = []
        for _ in range(min(CHUNK, len(self.live))):
            at = self.random.randrange(len(self.live))
            self.live[at], self.live[-1] = self.live[-1], self.live[at]
            ended.append(replace(self.live.pop(), status=SUCCEEDED))
        self.report(ended)


def make_job(pods: int, parallelism: int, mode: str) -> Job:
    """The Job as a store would show it."""
    template = PodTemplateSpec(spec={"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"})
    spec = JobSpec(completions=pods, parallelism=parallelism, completion_mode=mode, template=template)
    job = Job(metadata=ObjectMeta(name="large", namespace="default"), spec=spec)
    job = prepare_for_create(job, uid="0c7d4c0e-0000-4000-8000-000000000000", now=NOW)
    return replace(job, metadata=replace(job.metadata, resource_version="1"))


def drive(pods: int, parallelism: int, mode: str, seed: int) -> Drive:
    """A Job from its first sight to Complete. Raises RuntimeError if it does not get there."""
    job = make_job(pods, parallelism, mode)
    driven = Drive(JobState(uid=job.metadata.uid, namespace="", name="", seed="seed"), random.Random(seed))
    gc.collect()
    driven.fold_all(observe_job(None, job))
    for _ in range(20 * pods // CHUNK + 20 * pods // parallelism + 20):
        driven.sync()
        if driven.state.finished:
            return driven
        driven.kubelet()
    raise RuntimeError(f"the Job does not finish: {driven.state.tally}")


def say(status: JobStatus) -> str:
    """What became of it."""
    return f"{status.succeeded} {status.failed} {status.completed_indexes} {[c.type for c in status.conditions]}"


@benchmark(
    "decide",
    figures=[
        at_most("decide", 60, "µs a pod: observe, fold, decide"),
        at_most("decide/indexed", 60, "µs a pod, Indexed"),
        at_most("decide/growth", 1.2, "x the cost of a pod among 10,000"),
        at_most("decide/growth-indexed", 1.2, "x the same, Indexed"),
        at_least("decide/fold", 500_000, "transitions/s, fold alone"),
        at_least("decide/rules", 100_000, "decided events/s, decide alone"),
    ],
    small=Size(2_000, 1_000, 500),
    full=Size(100_000, 10_000, 5_000),
    not_shown="Log, store, network and event loop, and any life of a pod but the plainest.",
)
def decide_one_job(size: Size, seed: int) -> Measured:
    """The pure half for one Job of 100,000 pods, parallelism 5,000, all of which succeed."""
    values: dict[str, float] = {}
    detail: dict[str, str] = {}
    said: list[str] = []
    for mode, suffix in (("NonIndexed", ""), ("Indexed", "indexed")):
        few = drive(size.few, size.parallelism, mode, seed)
        many = drive(size.pods, size.parallelism, mode, seed)
        cost = many.cost
        values[f"decide/{suffix}" if suffix else "decide"] = cost.total_s / size.pods * 1e6
        growth = (cost.total_s / size.pods) / (few.cost.total_s / size.few)
        values[f"decide/growth-{suffix}" if suffix else "decide/growth"] = growth
        if not suffix:
            values["decide/fold"] = cost.folded / cost.fold_s
            values["decide/rules"] = cost.decided / cost.decide_s
        parts = (("observe", cost.observe_s), ("fold", cost.fold_s), ("decide", cost.decide_s))
        detail[mode] = ", ".join(f"{name} {spent / size.pods * 1e6:.1f}" for name, spent in parts) + " µs a pod"
        said += [say(few.state.published), say(many.state.published)]
    return Measured(values, digest_of(said), detail)

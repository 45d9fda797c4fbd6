"""What users and nodes do to Jobs while they run: pods deleted or lost, Jobs changed or deleted, clocks set."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from podledger.api.defaults import CONTROLLER_UID_LABEL
from podledger.api.job import Job, JobCondition
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod, PodCondition
from podledger.job.names import FINALIZER
from podledger_adapters.nodes.behaviour import Behaviour, Draws, PodRun
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.kinds import Propagation
from tests.simulation.clock import SimulationClock
from tests.simulation.faults import Fault, Faults
from tests.simulation.restorable import RestorableCluster

__all__ = ["NOTE", "STRIPPED", "Saboteur", "losing_nodes"]

STRIPPED = "simulation/stripped"
"""The annotation that tells the oracle whose doing it was that a pod lost its finalizer."""
NOTE = "simulation/Note"
"""The condition that somebody writes into a status: no controller may lose it."""

# The longest between two attempts, virtual seconds, and how far a clock is set.
PAUSE_S = 20.0
CLOCK_JUMP_S = 3600.0
MOST_PARALLEL = 6
WAYS: tuple[Propagation, ...] = ("Background", "Foreground", "Orphan")


def losing_nodes(behaviour: Behaviour, faults: Faults) -> Behaviour:
    """What pods do, but some lose their node before they have ended."""

    def behave(pod: Pod, draws: Draws) -> PodRun:
        run = behaviour(pod, draws)
        return replace(run, disrupted=True) if faults.strikes(Fault.NODE_LOST) else run

    return behave


class Saboteur:
    """Works on the store directly, as other clients of the API server do."""

    def __init__(self, cluster: RestorableCluster, faults: Faults, clock: SimulationClock, jobs: Sequence[Job]) -> None:
        """`jobs`: as they were submitted, to be made again."""
        self._cluster, self._faults, self._clock, self._jobs = cluster, faults, clock, jobs
        self.disowns = True
        """Whether it also takes pods away from their Jobs."""

    async def work(self) -> None:
        """Do something now and then, for ever; nothing once the faults have stopped."""
        while True:
            await asyncio.sleep(self._faults.seconds(PAUSE_S))
            if not self._faults.active:
                return
            self._delete_pod()
            self._disown_pod()
            self._strip_pod()
            self._change_job()
            self._edit_status()
            self._delete_job()
            self._replace_job()
            if self._faults.strikes(Fault.CLOCK_SET):
                self._clock.set_wall(self._faults.draw.uniform(-CLOCK_JUMP_S, CLOCK_JUMP_S))

    def undo(self) -> None:
        """Let every Job go on: resume what is suspended, give room to what was scaled to nothing, set the clock right.

        Pods end by the wall clock: one that was set back by hours would have them run longer than a run waits.
        """
        self._clock.set_right()
        for job in list(self._cluster.store.table(Job)):
            spec = replace(job.spec, suspend=False, parallelism=job.spec.parallelism or 1)
            if not job.status.finished and spec != job.spec:
                self._set(replace(job, spec=spec))

    def _delete_pod(self) -> None:
        pods = [pod for pod in self._cluster.store.table(Pod) if pod.metadata.deletion_timestamp is None]
        if not pods:
            return
        grace_s = None
        evicted = False
        if self._faults.strikes(Fault.POD_EVICTED):
            evicted = True
        elif self._faults.strikes(Fault.POD_FORCE_DELETED):
            grace_s = 0
        elif not self._faults.strikes(Fault.POD_DELETED):
            return
        pod = self._faults.draw.choice(pods)
        key = (pod.metadata.namespace, pod.metadata.name)
        with self._cluster.store.batch() as batch:
            if evicted:
                disruption = PodCondition(type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI")
                status = replace(pod.status, conditions=(*pod.status.conditions, disruption))
                batch.set_pod_status(key, status, uid=pod.metadata.uid)
            batch.delete(Pod, key, DeleteOptions(grace_s=grace_s))

    def _disown_pod(self) -> None:
        pods = [pod for pod in self._cluster.store.table(Pod) if pod.metadata.owner_references]
        if not pods or not self.disowns or not self._faults.strikes(Fault.POD_DISOWNED):
            return
        metadata = self._faults.draw.choice(pods).metadata
        changed = replace(metadata, owner_references=())
        if self._faults.draw.random() < 0.5:
            labels = {name: value for name, value in metadata.labels.items() if name != CONTROLLER_UID_LABEL}
            changed = replace(metadata, labels=labels)
        self._set_metadata(changed)

    def _set_metadata(self, wanted: ObjectMeta) -> None:
        """Give a pod this metadata."""
        with self._cluster.store.batch() as batch:
            batch.modify(Pod, (wanted.namespace, wanted.name), lambda pod: replace(pod, metadata=wanted))

    def _strip_pod(self) -> None:
        pods = [pod for pod in self._cluster.store.table(Pod) if FINALIZER in pod.metadata.finalizers]
        if not pods or not self._faults.strikes(Fault.POD_STRIPPED):
            return
        metadata = self._faults.draw.choice(pods).metadata
        noted = replace(metadata, annotations={**metadata.annotations, STRIPPED: "by hand"})
        free = replace(noted, finalizers=tuple(each for each in metadata.finalizers if each != FINALIZER))
        for changed in (noted, free):  # noted first: one that is being deleted goes with its finalizer
            self._set_metadata(changed)

    def _edit_status(self) -> None:
        jobs = [job for job in self._cluster.store.table(Job) if not job.status.finished]
        if not jobs or not self._faults.strikes(Fault.STATUS_EDITED):
            return
        job, draw = self._faults.draw.choice(jobs), self._faults.draw
        now = datetime.fromtimestamp(int(self._clock.now()), UTC)
        noted = JobCondition(type=NOTE, status="True", last_transition_time=now)
        conditions = (*(each for each in job.status.conditions if each.type != NOTE), noted)
        active = draw.randint(0, MOST_PARALLEL)
        numbers = {"active": active, "ready": draw.randint(0, active), "terminating": draw.randint(0, MOST_PARALLEL)}
        with self._cluster.store.batch() as batch:
            status = replace(job.status, conditions=conditions, **numbers)
            batch.set_job_status((job.metadata.namespace, job.metadata.name), status, uid="", version="")

    def _replace_job(self) -> None:
        jobs = [job for job in self._cluster.store.table(Job) if job.metadata.deletion_timestamp is None]
        if not jobs or not self._faults.strikes(Fault.JOB_REPLACED):
            return
        metadata = self._faults.draw.choice(jobs).metadata
        with self._cluster.store.batch() as batch:
            batch.delete(Job, (metadata.namespace, metadata.name), DeleteOptions(propagation="Background"))
        with self._cluster.store.batch() as batch:
            batch.create(next(job for job in self._jobs if job.metadata.name == metadata.name))

    def _delete_job(self) -> None:
        jobs = [job for job in self._cluster.store.table(Job) if job.metadata.deletion_timestamp is None]
        if not jobs or not self._faults.strikes(Fault.JOB_DELETED):
            return
        metadata = self._faults.draw.choice(jobs).metadata
        with self._cluster.store.batch() as batch:
            options = DeleteOptions(propagation=self._faults.draw.choice(WAYS))
            batch.delete(Job, (metadata.namespace, metadata.name), options)

    def _change_job(self) -> None:
        jobs = [job for job in self._cluster.store.table(Job) if not job.status.finished]
        if not jobs:
            return
        job = self._faults.draw.choice(jobs)
        if self._faults.strikes(Fault.SCALED):
            parallelism = self._faults.draw.randint(0, MOST_PARALLEL)
            self._set(replace(job, spec=replace(job.spec, parallelism=parallelism)))
        elif self._faults.strikes(Fault.SUSPENDED):
            self._set(replace(job, spec=replace(job.spec, suspend=not job.spec.suspend)))

    def _set(self, wanted: Job) -> None:
        with self._cluster.store.batch() as batch:
            batch.update(wanted)

"""The public surface as type checkers see it: each line says what they must reveal.

Checked with the rest of the repository, and by `test_public_types.py` from outside of it, as users' code is.
"""

from collections.abc import Sequence
from typing import assert_type

from podledger import Controller, Job, JobKey, JobSpec, JobStatus, MemoryLog, RealClock, SqliteLog, VirtualClock
from podledger.api import JobCondition, Pod
from podledger.errors import InvalidObject, LogError, PodledgerError
from podledger.event import Event
from podledger.job.event import PodCounted
from podledger.job.state import JobState
from podledger.ports import Clock, Cluster, EventLog, LogBatch, Node, Taken
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Behaviour, Workload
from podledger_adapters.nodes.simulated import SimulatedNode


async def embedding(job: Job) -> None:
    """What a program that embeds the controller writes."""
    async with SqliteLog.open("ledger.db") as log, LocalCluster.simulated(seed=7) as cluster:
        assert_type(log, SqliteLog)
        assert_type(cluster, LocalCluster)
        async with Controller(cluster, log, clock=cluster.clock) as controller:
            assert_type(controller, Controller)
            assert_type(await cluster.submit(job), Job)
            assert_type(await controller.wait(job.key, timeout_s=60), JobStatus)
            assert_type(controller.state(job.key), JobState | None)
            assert_type(await cluster.list_jobs(), Sequence[Job])
            assert_type(await cluster.list_pods("uid"), Sequence[Pod])


async def reading(log: EventLog) -> None:
    """What a program that reads a log writes."""
    assert_type(await log.take("main", "me"), Taken)
    async for batch in log.read("main"):
        assert_type(batch, LogBatch)
        for event in batch.events:
            assert_type(event, Event)
            if isinstance(event, PodCounted):
                assert_type(event.rule, str)


def objects(job: Job) -> None:
    """API objects."""
    assert_type(job.key, JobKey)
    assert_type(job.spec, JobSpec)
    assert_type(job.spec.completions, int | None)
    assert_type(job.status.finished, bool)
    assert_type(job.status.condition("Complete"), JobCondition | None)


def ports() -> tuple[Cluster, EventLog, EventLog, Clock, Clock, Node, Behaviour]:
    """What podledger offers fits its own ports."""
    clock = VirtualClock()
    return (
        LocalCluster.simulated(clock=clock),
        MemoryLog(),
        SqliteLog.open("ledger.db"),
        RealClock(),
        clock,
        SimulatedNode(clock),
        Workload(duration_s=(1.0, 2.0)),
    )


def errors(error: InvalidObject | LogError) -> PodledgerError:
    """All errors have one base."""
    return error

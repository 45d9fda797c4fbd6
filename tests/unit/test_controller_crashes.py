"""A process that dies at any point, restarted from its log or from the cluster alone, comes to the same counts."""

import asyncio
from collections import Counter

import pytest
from tests.unit.controller_world import (
    Books,
    Death,
    books,
    events_of,
    held_pods,
    intents_of,
    live_once,
    make_job,
)

from podledger import ControllerOptions, Job
from podledger.api.pod import Pod
from podledger.job.event import PodCounted
from podledger.log.memory import MemoryLedger
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Behaviour, Draws, PodRun, completion_index

JOBS = (
    make_job("indexed", completions=3, parallelism=2, completion_mode="Indexed", backoff_limit=3),
    make_job("fixed", completions=2, parallelism=2),
    make_job("doomed", completions=1, backoff_limit=0),
)
EXPECTED = [
    Books(3, 1, "0-2", "Complete"),
    Books(2, 0, "", "Complete"),
    Books(0, 1, "", "Failed"),
]
PODS = 7
# A snapshot every few events, so that restarts use them, and die while making them.
OPTIONS = ControllerOptions(snapshot_events=20)
# No point is left out by this; more points than this would mean that the scenario has grown beyond a unit test.
MOST_POINTS = 600


def first_of_index_1_fails() -> Behaviour:
    """The first pod of index 1 fails, and all pods of the Job named doomed."""
    failed = set[str]()

    def behave(pod: Pod, _draws: Draws) -> PodRun:
        uid, name = pod.metadata.uid, pod.metadata.name
        if name.startswith("doomed"):
            return PodRun(duration_s=1.0, exit_code=1)
        if completion_index(pod) == 1 and (not failed or uid in failed):
            failed.add(uid)
            return PodRun(duration_s=1.0, exit_code=1)
        return PodRun(duration_s=2.0)

    return behave


async def run_with_death(at: int | None, *, log_lost: bool) -> int:
    """Run the Jobs, die at a point, restart until they are done, and check the books; how many points there were."""
    async with LocalCluster.simulated(seed=7, behaviour=first_of_index_1_fails()) as cluster:
        jobs: list[Job] = [await cluster.submit(job) for job in JOBS]
        keys = [job.key for job in jobs]
        first, death = MemoryLedger(), Death(at)
        ledgers = [first]
        statuses = await live_once(cluster, first, keys, death, OPTIONS)
        if statuses is None:
            if log_lost:
                ledgers.append(MemoryLedger())
            statuses = await live_once(cluster, ledgers[-1], keys, Death(), OPTIONS, seed=f"life {len(ledgers)}")
        assert statuses is not None, "the second life dies of nothing"
        assert [books(status) for status in statuses] == EXPECTED
        assert held_pods(cluster) == []
        intents = intents_of(cluster)
        assert len(intents) == len(set(intents)) == PODS, "no pod was created twice for one intent, none in vain"
        for ledger in ledgers:
            counted = Counter(event.pod for event in events_of(ledger) if isinstance(event, PodCounted))
            assert set(counted.values()) <= {1}, "each log counts a uid at most once"
        return death.points


@pytest.mark.asyncio
async def test_death_at_any_point_changes_no_count_when_the_log_is_kept() -> None:
    points = await run_with_death(None, log_lost=False)
    assert 100 < points < MOST_POINTS
    for at in range(1, points + 1):
        try:
            await run_with_death(at, log_lost=False)
        except BaseException as error:
            error.add_note(f"died at point {at} of {points}")
            raise


@pytest.mark.asyncio
async def test_death_at_any_point_changes_no_count_when_the_log_is_lost() -> None:
    points = await run_with_death(None, log_lost=True)
    for at in range(1, points + 1):
        try:
            await run_with_death(at, log_lost=True)
        except BaseException as error:
            error.add_note(f"died at point {at} of {points}")
            raise


def test_the_same_run_has_the_same_points() -> None:
    first, second = (asyncio.run(run_with_death(None, log_lost=False)) for _ in range(2))
    assert first == second

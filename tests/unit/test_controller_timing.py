"""When the controller does what, in virtual time: batches, timers, retries, and nothing at all when nothing happens."""

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace
from tests.unit.controller_world import CallsSeen, events_of, held_pods, make_job, turns

from podledger import Controller, ControllerOptions, Limits, MemoryLog, VirtualClock
from podledger.api.pod import Pod
from podledger.job.command import Command, CreatePod, DeletePod, PublishStatus, ReleasePod
from podledger.job.outcome import Failed, Outcome, Unknown
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Workload
from podledger_adapters.nodes.manual import ManualNode

PERIOD = ControllerOptions(sync_batch_period_s=1.0)
FOR_EVER = Workload(duration_s=(1e9, 1e9))


class CountingClock(VirtualClock):
    """Remembers for which times somebody slept."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps: list[float] = []

    async def sleep_until(self, when: float) -> None:
        """See `VirtualClock.sleep_until`."""
        self.sleeps.append(when)
        await super().sleep_until(when)


def refuse(kind: type, now: Callable[[], bool]) -> Callable[[Command], Outcome | None]:
    """Refuse calls of a kind as long as that is so."""

    def answer(command: Command) -> Outcome | None:
        return Failed(500, "InternalError", "try again") if isinstance(command, kind) and now() else None

    return answer


@pytest.mark.asyncio
async def test_a_new_job_is_synced_at_once_and_what_its_pods_do_after_the_period_together() -> None:
    async with LocalCluster.manual() as cluster:
        calls, node = CallsSeen(cluster), ManualNode(cluster.store)
        async with Controller(calls, MemoryLog(), clock=cluster.clock, options=PERIOD):
            start = cluster.clock.now()
            await cluster.submit(make_job(completions=3, parallelism=3))
            await turns()
            assert set(calls.times_of(CreatePod)) == {start}
            published = len(calls.times_of(PublishStatus))
            for number, pod in enumerate(list(cluster.store.table(Pod))):
                await node.run_pod(pod)
                await cluster.clock.sleep_until(start + 0.3 * (number + 1))
            await cluster.clock.sleep_until(start + 20)
            await turns()
            after = calls.times_of(PublishStatus)[published:]
            assert after == [start + 1.0], "one status for the three, a period after the first of them"


@pytest.mark.asyncio
async def test_a_changed_spec_is_synced_at_once_although_the_period_runs() -> None:
    async with LocalCluster.manual() as cluster:
        calls, node = CallsSeen(cluster), ManualNode(cluster.store)
        async with Controller(calls, MemoryLog(), clock=cluster.clock, options=PERIOD):
            start = cluster.clock.now()
            job = await cluster.submit(make_job(completions=3, parallelism=1))
            await turns()
            await node.run_pod(next(iter(cluster.store.table(Pod))))
            await cluster.clock.sleep_until(start + 0.5)
            await cluster.update_job_spec(job.key, lambda spec: replace(spec, parallelism=3))
            await turns()
            assert calls.times_of(CreatePod) == [start, start + 0.5, start + 0.5]


@pytest.mark.asyncio
async def test_the_deadline_strikes_in_its_very_second() -> None:
    async with LocalCluster.simulated(behaviour=FOR_EVER) as cluster:
        calls = CallsSeen(cluster)
        async with Controller(calls, MemoryLog(), clock=cluster.clock, options=PERIOD) as controller:
            start = cluster.clock.now()
            job = await cluster.submit(make_job(active_deadline_seconds=30))
            status = await controller.wait(job.key, timeout_s=100)
            assert calls.times_of(DeletePod) == [start + 30]
            assert [condition.reason for condition in status.conditions] == ["DeadlineExceeded"] * 2


@pytest.mark.asyncio
async def test_the_deadline_strikes_also_while_every_status_is_refused() -> None:
    async with LocalCluster.manual() as cluster:
        start, node = cluster.clock.now(), ManualNode(cluster.store)
        calls = CallsSeen(cluster, refuse(PublishStatus, lambda: cluster.clock.now() > start))
        async with Controller(calls, MemoryLog(), clock=cluster.clock):
            await cluster.submit(make_job(completions=2, parallelism=2, active_deadline_seconds=100))
            await cluster.clock.sleep_until(start + 50)
            await node.run_pod(next(iter(cluster.store.table(Pod))))
            await cluster.clock.sleep_until(start + 200)
            assert calls.times_of(PublishStatus)[1:6] == [start + 50 + after for after in (0, 1, 3, 7, 15)]
            assert calls.times_of(DeletePod)[:2] == [start + 100] * 2, "the retries come 31 and 63 s after the 50th"


@pytest.mark.asyncio
async def test_pods_are_replaced_when_their_back_off_ends() -> None:
    async with LocalCluster.simulated(behaviour=Workload(failure_probability=1.0)) as cluster:
        calls = CallsSeen(cluster)
        async with Controller(calls, MemoryLog(), clock=cluster.clock, options=PERIOD) as controller:
            start = cluster.clock.now()
            job = await cluster.submit(make_job(backoff_limit=3))
            status = await controller.wait(job.key, timeout_s=1000)
            assert calls.times_of(CreatePod) == [start, start + 10, start + 30, start + 70]
            assert (status.failed, status.conditions[-1].reason) == (4, "BackoffLimitExceeded")


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [CreatePod, PublishStatus, ReleasePod])
async def test_refused_calls_are_repeated_by_the_retry_curve_and_do_not_spin(kind: type) -> None:
    async with LocalCluster.manual() as cluster:
        start, node = cluster.clock.now(), ManualNode(cluster.store)
        refused_until = start + (110 if kind is ReleasePod else 10)
        calls = CallsSeen(cluster, refuse(kind, lambda: cluster.clock.now() < refused_until))
        async with Controller(calls, MemoryLog(), clock=cluster.clock) as controller:
            job = await cluster.submit(make_job())
            await cluster.clock.sleep_until(start + 100)
            await node.end(next(iter(cluster.store.table(Pod))))
            assert (await controller.wait(job.key, timeout_s=1000)).succeeded == 1
            times = calls.times_of(kind)
            assert [at - times[0] for at in times[:5]] == [0, 1, 3, 7, 15]


@pytest.mark.asyncio
async def test_one_job_that_fails_holds_up_no_other() -> None:
    def answer(command: Command) -> Outcome | None:
        doomed = isinstance(command, CreatePod) and command.pod.metadata.name.startswith("doomed")
        return Failed(403, "Forbidden", "exceeded quota") if doomed else None

    async with LocalCluster.simulated() as cluster:
        calls = CallsSeen(cluster, answer)
        async with Controller(calls, MemoryLog(), clock=cluster.clock) as controller:
            start = cluster.clock.now()
            for name in ("doomed", "a", "b", "c"):
                await cluster.submit(make_job(name, completions=5, parallelism=5))
            for name in "abc":
                assert (await controller.wait(make_job(name).key)).succeeded == 5
            assert cluster.clock.now() == start
            await cluster.clock.sleep_until(start + 100)
            assert len([1 for _, call in calls.calls if isinstance(call, CreatePod)]) == 15 + 7, "a batch of 1 a try"


@pytest.mark.asyncio
async def test_a_lost_answer_to_a_create_finds_the_first_ones_pod() -> None:
    class AnswersLost(CallsSeen):
        async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
            outcomes = await super().perform(commands)
            return [
                Unknown("lost") if isinstance(one, CreatePod) else out
                for one, out in zip(commands, outcomes, strict=True)
            ]

    async with LocalCluster.simulated() as cluster:
        async with Controller(AnswersLost(cluster), MemoryLog(), clock=cluster.clock) as controller:
            job = await cluster.submit(make_job(completions=3, parallelism=3))
            assert (await controller.wait(job.key, timeout_s=100)).succeeded == 3
        assert len(cluster.store.table(Pod)) == 3


@pytest.mark.asyncio
async def test_results_beyond_the_share_of_a_sync_follow_at_once_or_after_the_period() -> None:
    for period_s, expected_s in ((0.0, 0.0), (1.0, 4.0)):
        async with LocalCluster.simulated() as cluster:
            options = ControllerOptions(sync_batch_period_s=period_s, limits=Limits(uncounted_pods=4))
            calls = CallsSeen(cluster)
            async with Controller(calls, MemoryLog(), clock=cluster.clock, options=options) as controller:
                start = cluster.clock.now()
                job = await cluster.submit(make_job(completions=16, parallelism=16))
                assert (await controller.wait(job.key, timeout_s=100)).succeeded == 16
                assert cluster.clock.now() - start == expected_s
                sizes = [len(c.status.uncounted_terminated_pods.succeeded) for _, c in calls.calls
                         if isinstance(c, PublishStatus) and c.status.uncounted_terminated_pods]  # fmt: skip
                assert max(sizes) == 4


@pytest.mark.asyncio
async def test_when_nothing_happens_nothing_is_done() -> None:
    clock, log = CountingClock(), MemoryLog()
    async with LocalCluster.simulated(clock=clock, behaviour=FOR_EVER) as cluster:
        calls = CallsSeen(cluster)
        async with Controller(calls, log, clock=clock, options=PERIOD):
            await cluster.submit(make_job(completions=50, parallelism=50))
            await cluster.submit(make_job("finished", completions=0))
            await cluster.clock.sleep_until(clock.now() + 60)
            await turns()
            before = (len(events_of(log.ledger)), len(calls.calls), cluster.store.revision)
            clock.sleeps.clear()
            await clock.sleep_until(clock.now() + 86_400)
            await turns()
            assert (len(events_of(log.ledger)), len(calls.calls), cluster.store.revision) == before
            assert len(clock.sleeps) == 1, "no timer but this test's own"


@pytest.mark.asyncio
async def test_the_only_timer_of_an_idle_job_with_a_deadline_is_that_deadline() -> None:
    clock = CountingClock()
    async with (
        LocalCluster.simulated(clock=clock, behaviour=FOR_EVER) as cluster,
        Controller(cluster, MemoryLog(), clock=clock, options=PERIOD),
    ):
        start = clock.now()
        await cluster.submit(make_job(active_deadline_seconds=86_400))
        await clock.sleep_until(start + 60)
        await turns()
        clock.sleeps.clear()
        await clock.sleep_until(start + 86_399)
        await turns()
        assert len(clock.sleeps) == 1


@pytest.mark.asyncio
async def test_finished_jobs_hold_no_pod_and_cost_nothing() -> None:
    async with LocalCluster.simulated() as cluster:
        async with Controller(cluster, MemoryLog(), clock=cluster.clock) as controller:
            for number in range(20):
                job = await cluster.submit(make_job(f"job-{number}", completions=10, parallelism=10))
                await controller.wait(job.key)
            await turns()
            assert "<Projection at " in repr(controller)
            assert "20 jobs, 0 pods>" in repr(controller)
            assert "<PodHomes 0 at home, 0 waiting, 0 orphans>" in repr(controller)
            assert ", 0 ahead>" in repr(controller)
            for number in range(20):
                await cluster.delete_job(make_job(f"job-{number}").key)
            await turns()
            assert "0 jobs, 0 pods>" in repr(controller)
        assert held_pods(cluster) == []

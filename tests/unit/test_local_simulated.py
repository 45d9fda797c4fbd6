"""The simulated node: when pods run, how they end, and that a seed decides it whatever else happens."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from tests.store_objects import START_S, new_job, new_pod, reference_to

from podledger.api.pod import Pod, PodStatus
from podledger.clock import VirtualClock
from podledger.job.names import COMPLETION_INDEX
from podledger.ports import PodReport, StopPod
from podledger_adapters.nodes.behaviour import Behaviour, Draws, PodRun, Workload
from podledger_adapters.nodes.simulated import SimulatedNode

pytestmark = pytest.mark.asyncio

Seen = tuple[float, str, str, int | None]


def pod(name: str, *, index: int | None = None, **base: Any) -> Pod:
    made = new_pod(name, **base)
    annotations = {} if index is None else {COMPLETION_INDEX: str(index)}
    return replace(made, metadata=replace(made.metadata, uid=f"uid-{name}", annotations=annotations))


class Watching:
    """Runs a node and notes its reports: seconds since the start, pod, phase, exit code."""

    def __init__(self, behaviour: Behaviour | None = None, *, seed: int = 0) -> None:
        self.clock = VirtualClock(START_S)
        self.node = SimulatedNode(self.clock, seed=seed, behaviour=behaviour)
        self.seen: list[Seen] = []
        self.reports: list[PodReport] = []

    async def run(self, pods: Sequence[Pod], *, until_s: float = 10_000.0) -> list[Seen]:
        """Start the pods and let time pass."""
        async with self.node.run() as reports, anyio.create_task_group() as tasks:
            tasks.start_soon(self._note, reports)
            await self.node.start(pods)
            await self.clock.sleep_until(START_S + until_s)
            tasks.cancel_scope.cancel()
        return self.seen

    async def _note(self, reports: AsyncIterator[Sequence[PodReport]]) -> None:
        async for batch in reports:
            for report in batch:
                self.reports.append(report)
                self.seen.append(noted(self.clock.now() - START_S, report))


def noted(at_s: float, report: PodReport) -> Seen:
    (container,) = report.status.container_statuses
    terminated = container.state.terminated
    return at_s, report.uid, report.status.phase, None if terminated is None else terminated.exit_code


async def test_pods_run_and_end_after_their_time() -> None:
    watching = Watching(lambda pod, draws: PodRun(start_s=2, duration_s=10, ready_s=3))
    assert await watching.run([pod("a")]) == [
        (2.0, "uid-a", "Running", None),
        (5.0, "uid-a", "Running", None),
        (12.0, "uid-a", "Succeeded", 0),
    ]
    ready = [report.status.condition("Ready") for report in watching.reports]
    assert [condition.status for condition in ready if condition is not None] == ["False", "True", "False"]
    terminated = watching.reports[-1].status.container_statuses[0].state.terminated
    assert terminated is not None
    assert terminated.started_at is not None
    assert terminated.finished_at is not None
    assert terminated.finished_at.timestamp() - terminated.started_at.timestamp() == 10


async def test_pods_of_no_duration_end_at_once_in_one_list() -> None:
    watching = Watching()
    spec = pod("any").spec
    seen = await watching.run([replace(pod(f"p{number}"), spec=spec) for number in range(100)])
    assert seen == [(0.0, f"uid-p{number}", "Succeeded", 0) for number in range(100)]
    assert len({id(report.status) for report in watching.reports}) == 1, "pods that are alike share it"


async def test_a_pod_is_started_once_whatever_is_repeated() -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=1))
    one = pod("a")
    assert [phase for _, _, phase, _ in await watching.run([one, one])] == ["Running", "Succeeded"]


async def test_failures_by_index_and_by_chance() -> None:
    indexed = [pod(f"p{number}", index=number) for number in range(4)]
    watching = Watching(Workload(failing_indexes=frozenset({1, 3}), exit_code=42))
    assert [code for *_, code in await watching.run(indexed)] == [0, 42, 0, 42]
    watching = Watching(Workload(failure_probability=0.25), seed=3)
    codes = [code for *_, code in await watching.run([pod(f"p{number}") for number in range(1000)])]
    assert 200 < sum(code == 1 for code in codes) < 300


async def test_what_a_pod_does_depends_on_the_seed_and_its_place_and_not_on_the_order_of_starts() -> None:
    owners = (reference_to(new_job("pi")),)
    pods = [pod(f"p{number}", index=number) for number in range(20)]
    pods = [replace(one, metadata=replace(one.metadata, owner_references=owners)) for one in pods]
    behaviour = Workload(duration_s=(1, 100), failure_probability=0.5)
    forward = await Watching(behaviour, seed=5).run(pods)
    backward = await Watching(behaviour, seed=5).run(pods[::-1])
    assert sorted(forward) == sorted(backward)
    other = await Watching(behaviour, seed=6).run(pods)
    assert sorted(other) != sorted(forward)


async def test_a_failing_pod_with_on_failure_is_restarted_with_growing_pauses_until_it_succeeds() -> None:
    ends = iter([1, 1, 0])
    watching = Watching(lambda pod, draws: PodRun(duration_s=5, exit_code=next(ends)))
    seen = await watching.run([pod("a", restartPolicy="OnFailure")])
    assert [(at, phase) for at, _, phase, _ in seen] == [
        (0.0, "Running"),
        (5.0, "Running"),
        (15.0, "Running"),
        (20.0, "Running"),
        (40.0, "Running"),
        (45.0, "Succeeded"),
    ]
    restarts = [report.status.container_statuses[0].restart_count for report in watching.reports]
    assert restarts == [0, 1, 1, 2, 2, 2]
    waiting = watching.reports[1].status.container_statuses[0]
    assert waiting.state.waiting is not None
    assert waiting.state.waiting.reason == "CrashLoopBackOff"
    assert waiting.last_state.terminated is not None
    assert waiting.last_state.terminated.exit_code == 1


async def test_a_pod_that_outruns_its_own_deadline_fails() -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=100))
    seen = await watching.run([pod("a", activeDeadlineSeconds=7)])
    assert seen[-1] == (7.0, "uid-a", "Failed", 137)
    assert watching.reports[-1].status.reason == "DeadlineExceeded"


async def test_a_pod_whose_node_is_lost_fails_with_a_disruption_and_without_exit_codes() -> None:
    watching = Watching(Workload(duration_s=(5, 5), disruption_probability=1.0))
    seen = await watching.run([pod("a", restartPolicy="OnFailure")])
    assert seen[-1] == (5.0, "uid-a", "Failed", None)
    condition = watching.reports[-1].status.condition("DisruptionTarget")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "DeletionByPodGC")


@pytest.mark.parametrize(
    ("stop_s", "graces", "end"),
    [
        (2.0, [30], (3.0, "uid-a", "Failed", 143)),
        (20.0, [5], (6.0, "uid-a", "Failed", 137)),
        (20.0, [30, 3], (4.0, "uid-a", "Failed", 137)),
        (20.0, [3, 30], (4.0, "uid-a", "Failed", 137)),
        (0.0, [0], (1.0, "uid-a", "Failed", 143)),
    ],
)
async def test_a_stopped_pod_heeds_the_signal_or_is_killed_when_its_grace_ends(
    stop_s: float, graces: list[int], end: Seen
) -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=100, stop_s=stop_s))

    async def stop_later() -> None:
        await watching.clock.sleep_until(START_S + 1)
        for grace in graces:
            await watching.node.stop([StopPod("uid-a", grace), StopPod("unknown", 1)])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop_later)
        await watching.run([pod("a")])
    assert watching.seen == [(0.0, "uid-a", "Running", None), end]


async def test_a_pod_may_end_well_when_told_to_stop() -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=100, stop_exit_code=0))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watching.run, [pod("a")])
        await watching.clock.sleep_until(START_S + 1)
        await watching.node.stop([StopPod("uid-a", 30)])
    assert watching.seen[-1] == (1.0, "uid-a", "Succeeded", 0)


async def test_a_forgotten_pod_is_gone_without_a_trace_and_may_not_be_known_for_logs() -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=10))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watching.run, [pod("a")])
        await watching.clock.sleep_until(START_S + 1)
        assert [chunk async for chunk in watching.node.logs("uid-a", "main")] == []
        await watching.node.forget(["uid-a", "unknown"])
    assert watching.seen == [(0.0, "uid-a", "Running", None)]
    with pytest.raises(KeyError):
        await anext(aiter(watching.node.logs("uid-a", "main")))


async def test_logs_are_followed_until_the_pod_ends() -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=10))
    ended_at: list[float] = []

    async def follow() -> None:
        await watching.clock.sleep_until(START_S + 1)
        assert [chunk async for chunk in watching.node.logs("uid-a", "main", follow=True)] == []
        ended_at.append(watching.clock.now() - START_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await watching.run([pod("a")])
    assert ended_at == [10.0]


async def test_containers_that_are_not_regular_are_reported_too() -> None:
    watching = Watching(lambda pod, draws: PodRun(duration_s=10))
    await watching.run(
        [
            pod(
                "a",
                initContainers=[
                    {"name": "setup", "image": "i"},
                    {"name": "proxy", "image": "i", "restartPolicy": "Always"},
                ],
            )
        ]
    )
    running, ended = (report.status for report in watching.reports)

    def states(status: PodStatus) -> list[tuple[str, bool]]:
        return [(one.name, one.state.running is not None) for one in status.init_container_statuses]

    assert states(running) == [("setup", False), ("proxy", True)]
    assert states(ended) == [("setup", False), ("proxy", False)]


async def test_draws_are_even_and_their_own() -> None:
    draws = Draws("7/ns/job/0/1/0")
    numbers = [draws.random() for _ in range(1000)]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.45 < sum(numbers) / 1000 < 0.55
    assert numbers[0] == Draws("7/ns/job/0/1/0").random() != Draws("7/ns/job/1/1/0").random()

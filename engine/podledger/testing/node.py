"""The conformance suite of the `Node` port: every node, the authors' own included, passes these tests.

Subclass it where your tests are, say how a node is made and what it runs, and mark the class for your runner of async
tests::

    @pytest.mark.asyncio
    class TestMyNode(NodeConformance):
        @pytest.fixture(autouse=True)
        def _place(self, tmp_path): self.root = tmp_path / "pods"

        def open_node(self): return contextlib.nullcontext(MyNode(self.root))

        def make_pod(self, workload): ...

What a pod's containers see of the machine is beyond a port's suite.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Literal

import anyio

from podledger.api.pod import ContainerStateTerminated, Pod, PodStatus
from podledger.ports import Node, PodReport, StopPod

__all__ = ["NodeConformance", "SurvivingNodeConformance", "Workload"]

Workload = Literal["succeed", "fail", "stay"]
"""What a pod does: its containers exit 0, or one of them exits otherwise, or it runs until it is stopped."""

ENDED = ("Succeeded", "Failed")
PATIENCE_S = 60.0
"""How long a report may be waited for: only a node that never reports takes it."""
NO_GRACE_S, LONG_GRACE_S = 0, 3600


class NodeConformance:
    """What every node does. Pods have restartPolicy Never."""

    def open_node(self) -> AbstractAsyncContextManager[Node]:
        """The node under test, not run yet; within one test always the same one, made anew."""
        raise NotImplementedError(f"{type(self).__name__} must define open_node")

    def make_pod(self, workload: Workload) -> Pod:
        """A pod that was never started before, bound to the node."""
        raise NotImplementedError(f"{type(self).__name__} must define make_pod")

    # ---- ends ---------------------------------------------------------------------------------------------------

    async def test_a_pod_whose_containers_exit_well_succeeds(self) -> None:
        """Phase and container statuses agree, and times are those of the API."""
        pod = self.make_pod("succeed")
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            status = (await _ends(reports, [pod]))[pod.metadata.uid]
        assert status.phase == "Succeeded"
        for end in _terminations(status):
            assert (end.exit_code, end.reason) == (0, "Completed")

    async def test_a_pod_with_a_failed_container_fails_with_its_exit_code(self) -> None:
        """What the Job's failure policy judges must be there."""
        pod = self.make_pod("fail")
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            status = (await _ends(reports, [pod]))[pod.metadata.uid]
        assert status.phase == "Failed"
        assert any(end.exit_code != 0 for end in _terminations(status))

    async def test_an_end_has_the_times_that_kubernetes_would_show(self) -> None:
        """Whole seconds in UTC, in order; the controller's back-off counts from them."""
        pod = self.make_pod("succeed")
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            status = (await _ends(reports, [pod]))[pod.metadata.uid]
        for end in _terminations(status):
            assert end.started_at is not None
            assert end.finished_at is not None
            assert status.start_time is not None
            for time in (status.start_time, end.started_at, end.finished_at):
                _check_time(time)
            assert status.start_time <= end.started_at <= end.finished_at

    async def test_a_pod_that_ended_is_not_ready(self) -> None:
        """Its Ready condition is False since the end: a finish time of last resort."""
        pod = self.make_pod("succeed")
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            status = (await _ends(reports, [pod]))[pod.metadata.uid]
        ready = status.condition("Ready")
        assert ready is not None
        assert ready.status == "False"
        assert not any(each.ready for each in status.container_statuses)

    async def test_a_pod_that_stays_is_reported_running(self) -> None:
        """Running, ready, and without an end."""
        pod = self.make_pod("stay")
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            status = (await _in_phase(reports, [pod], "Running"))[pod.metadata.uid]
            assert all(each.state.running is not None for each in status.container_statuses)
            await node.forget([pod.metadata.uid])

    async def test_many_pods_all_end_and_none_is_mixed_up(self) -> None:
        """Reports are of the pod they name."""
        well, badly = [self.make_pod("succeed") for _ in range(20)], [self.make_pod("fail") for _ in range(20)]
        async with self.open_node() as node, node.run() as reports:
            await node.start([*well, *badly])
            ended = await _ends(reports, [*well, *badly])
        assert {ended[pod.metadata.uid].phase for pod in well} == {"Succeeded"}
        assert {ended[pod.metadata.uid].phase for pod in badly} == {"Failed"}

    # ---- once ---------------------------------------------------------------------------------------------------

    async def test_a_pod_started_again_runs_once_and_its_end_is_final(self) -> None:
        """Nothing contradicts a terminal phase, whatever is repeated."""
        once, other = self.make_pod("succeed"), self.make_pod("succeed")
        phases: list[str] = []
        async with self.open_node() as node, node.run() as reports:
            await node.start([once, once])
            await node.start([once])
            await _ends(reports, [once])
            await node.start([once])
            await node.stop([StopPod(once.metadata.uid, NO_GRACE_S)])
            await node.start([other])
            with anyio.fail_after(PATIENCE_S):
                while "other" not in phases:
                    for report in await anext(reports):
                        if report.uid == once.metadata.uid:
                            phases.append(report.status.phase)
                        elif report.status.phase in ENDED:
                            phases.append("other")
        assert set(phases) <= {"Succeeded", "other"}

    # ---- stop and forget ----------------------------------------------------------------------------------------

    async def test_a_stopped_pod_ends_and_that_is_reported(self) -> None:
        """Its containers have ended too."""
        pod = self.make_pod("stay")
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            await _in_phase(reports, [pod], "Running")
            await node.stop([StopPod(pod.metadata.uid, LONG_GRACE_S)])
            await node.stop([StopPod(pod.metadata.uid, NO_GRACE_S)])
            status = (await _ends(reports, [pod]))[pod.metadata.uid]
        assert not any(each.state.running for each in status.container_statuses)

    async def test_unknown_uids_are_ignored(self) -> None:
        """The cluster repeats itself, and may be late."""
        pod = self.make_pod("succeed")
        async with self.open_node() as node, node.run() as reports:
            await node.stop([StopPod("nobody", NO_GRACE_S)])
            await node.forget(["nobody"])
            await node.start([pod])
            await node.stop([])
            await _ends(reports, [pod])
            await node.forget([pod.metadata.uid])
            await node.forget([pod.metadata.uid])
            await node.stop([StopPod(pod.metadata.uid, NO_GRACE_S)])

    async def test_a_forgotten_pod_is_gone_with_its_logs(self) -> None:
        """Whether it had ended or still ran."""
        ended, running = self.make_pod("succeed"), self.make_pod("stay")
        async with self.open_node() as node, node.run() as reports:
            await node.start([ended, running])
            await _ends(reports, [ended])
            for pod in (ended, running):
                await node.forget([pod.metadata.uid])
                assert await _has_no_log(node, pod)

    # ---- logs ---------------------------------------------------------------------------------------------------

    async def test_logs_of_a_pod_that_ended_come_to_an_end(self) -> None:
        """With follow and without, the same."""
        pod = self.make_pod("succeed")
        name = _container_names(pod)[0]
        async with self.open_node() as node, node.run() as reports:
            await node.start([pod])
            await _ends(reports, [pod])
            with anyio.fail_after(PATIENCE_S):
                plain = [chunk async for chunk in node.logs(pod.metadata.uid, name)]
                followed = [chunk async for chunk in node.logs(pod.metadata.uid, name, follow=True)]
        assert b"".join(plain) == b"".join(followed)

    async def test_logs_of_a_pod_nobody_knows_are_a_key_error(self) -> None:
        """And not an empty log."""
        pod = self.make_pod("succeed")
        async with self.open_node() as node, node.run():
            assert await _has_no_log(node, pod)

    # ---- the node itself ----------------------------------------------------------------------------------------

    async def test_it_has_a_name_and_perhaps_a_capacity(self) -> None:
        """The name goes into spec.nodeName."""
        async with self.open_node() as node:
            assert node.name == node.name.lower() != ""
            assert node.capacity is None or node.capacity > 0


class SurvivingNodeConformance(NodeConformance):
    """The suite for nodes whose pods go on when the node is left, and are found again."""

    async def test_left_and_run_again_it_reports_what_it_finds(self) -> None:
        """Pods that survive are the same pods: reported unasked, stopped by their uids, not started again."""
        ended, running = self.make_pod("fail"), self.make_pod("stay")
        async with self.open_node() as node, node.run() as reports:
            await node.start([running])
            await _in_phase(reports, [running], "Running")
            await node.start([ended])
            await _ends(reports, [ended])
        async with self.open_node() as node, node.run() as reports:
            await node.start([ended, running])
            found = await _in_phase(reports, [ended, running], "Running", *ENDED)
            assert (found[ended.metadata.uid].phase, found[running.metadata.uid].phase) == ("Failed", "Running")
            await node.stop([StopPod(running.metadata.uid, NO_GRACE_S)])
            await _ends(reports, [running])


async def _in_phase(
    reports: AsyncIterator[Sequence[PodReport]], pods: Collection[Pod], *phases: str
) -> dict[str, PodStatus]:
    """The first status of each pod in one of the phases."""
    waiting, found = {pod.metadata.uid for pod in pods}, dict[str, PodStatus]()
    with anyio.fail_after(PATIENCE_S):
        while waiting:
            for report in await anext(reports):
                if report.uid in waiting and report.status.phase in phases:
                    found[report.uid] = report.status
                    waiting.discard(report.uid)
    return found


async def _ends(reports: AsyncIterator[Sequence[PodReport]], pods: Collection[Pod]) -> dict[str, PodStatus]:
    return await _in_phase(reports, pods, *ENDED)


def _terminations(status: PodStatus) -> list[ContainerStateTerminated]:
    """How each container ended; each did."""
    ends = [each.state.terminated for each in status.container_statuses]
    assert ends
    found = [end for end in ends if end is not None]
    assert len(found) == len(ends)
    return found


def _check_time(time: datetime) -> None:
    assert time.microsecond == 0
    assert time.tzinfo is UTC


def _container_names(pod: Pod) -> list[str]:
    return [str(container["name"]) for container in pod.spec.base["containers"]]


async def _has_no_log(node: Node, pod: Pod) -> bool:
    try:
        async for _ in node.logs(pod.metadata.uid, _container_names(pod)[0]):
            pass
    except KeyError:
        return True
    return False

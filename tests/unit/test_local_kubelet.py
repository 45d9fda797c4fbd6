"""The glue between store and node: capacity, gates, deletion of what runs, and finding its way after a restart."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from tests.store_objects import NAMESPACE, create, key_of, new_pod, new_store, with_finalizers, write

from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.pod import Pod, PodCondition, PodStatus
from podledger.clock import VirtualClock
from podledger.ports import PodNotice, PodReport, StopPod
from podledger_adapters.nodes.kubelet import Kubelet
from podledger_adapters.store import ObjectStore
from podledger_adapters.store import watch as watching
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.event_recorder import EventRecorder

pytestmark = pytest.mark.asyncio

TURNS = 30


class NotedNode:
    """A node that notes what it is told, and reports what the test says."""

    def __init__(self, capacity: int | None = None) -> None:
        self.name = "noted"
        self.capacity = capacity
        self.started: list[str] = []
        self.stopped: list[StopPod] = []
        self.forgotten: list[str] = []
        self.found: list[PodReport] = []
        self._reports, self._reporting = anyio.create_memory_object_stream[Sequence[PodReport]](100)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[AsyncIterator[Sequence[PodReport]]]:
        if self.found:
            self._reports.send_nowait(self.found)
        async with self._reports, self._reporting:
            yield self._reporting

    async def start(self, pods: Sequence[Pod]) -> None:
        self.started += [pod.metadata.name for pod in pods]

    async def stop(self, stops: Sequence[StopPod]) -> None:
        self.stopped += stops

    async def forget(self, uids: Sequence[str]) -> None:
        self.forgotten += uids

    async def logs(self, uid: str, container: str, *, follow: bool = False) -> AsyncIterator[bytes]:
        raise KeyError(uid)
        yield b""

    def report(self, *reports: PodReport) -> None:
        self._reports.send_nowait(reports)


class Running:
    """A kubelet at work."""

    def __init__(self, store: ObjectStore, node: NotedNode) -> None:
        self.store, self.node = store, node

    async def settle(self) -> None:
        for _ in range(TURNS):
            await anyio.lowlevel.checkpoint()

    async def phase(self, pod: Pod, phase: str) -> None:
        self.node.report(PodReport(pod.metadata.uid, PodStatus(phase=phase)))
        await self.settle()

    async def delete(self, pod: Pod, grace_s: int | None = None) -> None:
        options = DeleteOptions(grace_s=grace_s)
        write(self.store, lambda batch: batch.delete(Pod, key_of(pod), options))
        await self.settle()

    def now(self, pod: Pod) -> Pod:
        stored = self.store.find(Pod, key_of(pod))
        assert stored is not None, f"{pod.metadata.name} is gone"
        return stored

    def scheduled(self, pod: Pod) -> tuple[str, str]:
        condition = self.now(pod).status.condition("PodScheduled")
        return ("", "") if condition is None else (condition.status, condition.reason)


@asynccontextmanager
async def kubelet(store: ObjectStore, node: NotedNode) -> AsyncGenerator[Running]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(Kubelet(store, node, EventRecorder(store, VirtualClock())).run)
        running = Running(store, node)
        await running.settle()
        yield running
        tasks.cancel_scope.cancel()


async def test_pods_are_bound_and_started_in_the_order_in_which_they_were_made() -> None:
    store, node = new_store(), NotedNode()
    before = create(store, new_pod("before"))
    async with kubelet(store, node) as running:
        after = create(store, new_pod("after"))
        await running.settle()
        assert node.started == ["before", "after"]
        for pod in (before, after):
            assert running.now(pod).spec.node_name == "noted"
            assert running.scheduled(pod) == ("True", "")
            assert running.now(pod).status.phase == "Pending"


async def test_beyond_its_capacity_pods_wait_and_are_told_why() -> None:
    store, node = new_store(), NotedNode(capacity=2)
    async with kubelet(store, node) as running:
        pods = [create(store, new_pod(f"p{number}")) for number in range(4)]
        await running.settle()
        assert node.started == ["p0", "p1"]
        assert running.scheduled(pods[2]) == ("False", "Unschedulable")
        told = running.now(pods[3]).status.condition("PodScheduled")
        assert told is not None
        assert told.message == "0/1 nodes are available: 1 Too many pods."
        revision = store.revision
        await running.settle()
        assert store.revision == revision, "they are told once"
        await running.phase(pods[0], "Succeeded")
        assert node.started == ["p0", "p1", "p2"]
        assert running.scheduled(pods[2]) == ("True", "")
        await running.delete(pods[1], grace_s=0)
        assert node.started == ["p0", "p1", "p2", "p3"]


async def test_gated_pods_and_those_of_other_schedulers_are_not_bound() -> None:
    store, node = new_store(), NotedNode()
    async with kubelet(store, node) as running:
        gated = create(store, new_pod("gated", schedulingGates=[{"name": "example.com/gate"}]))
        other = create(store, new_pod("other", schedulerName="example"))
        await running.settle()
        assert node.started == []
        assert running.scheduled(gated) == ("False", "SchedulingGated")
        assert running.scheduled(other) == ("", "")


async def test_a_report_becomes_the_status_and_conditions_of_others_stay() -> None:
    store, node = new_store(), NotedNode()
    async with kubelet(store, node) as running:
        pod = create(store, new_pod())
        await running.settle()
        disrupted = PodCondition(type="DisruptionTarget", status="True", reason="DeletionByPodGC")
        status = running.now(pod).status
        status = replace(status, conditions=(*status.conditions, disrupted))
        write(store, lambda batch: batch.set_pod_status(key_of(pod), status, uid=""))
        ready = PodCondition(type="Ready", status="True")
        node.report(PodReport(pod.metadata.uid, PodStatus(phase="Running", conditions=(ready,))))
        await running.settle()
        after = running.now(pod).status
        assert after.phase == "Running"
        assert [condition.type for condition in after.conditions] == ["PodScheduled", "DisruptionTarget", "Ready"]
        assert after.qos_class == "BestEffort"


async def test_what_a_node_tells_becomes_events_of_the_pod_and_repeats_are_counted() -> None:
    store, node = new_store(), NotedNode()
    pod = create(store, new_pod())
    async with kubelet(store, node) as running:
        for message in ("no", "no", "never"):
            notice = PodNotice("main", "Warning", "Unhealthy", message)
            node.report(PodReport(pod.metadata.uid, PodStatus(phase="Running"), (notice,)))
        await running.settle()
    events = list(store.table(KubernetesEvent))
    assert [(each.reason, each.message, each.count, each.type) for each in events] == [
        ("Unhealthy", "no", 2, "Warning"),
        ("Unhealthy", "never", 1, "Warning"),
    ]
    about, source = events[0].involved_object, events[0].source
    assert (about.kind, about.api_version, about.name) == ("Pod", "v1", pod.metadata.name)
    assert (about.uid, about.field_path) == (pod.metadata.uid, "spec.containers{main}")
    assert (source.component, source.host) == ("kubelet", "noted")


async def test_a_terminal_phase_is_final() -> None:
    store, node = new_store(), NotedNode()
    async with kubelet(store, node) as running:
        pod = create(store, new_pod())
        await running.settle()
        await running.phase(pod, "Succeeded")
        await running.phase(pod, "Failed")
        assert running.now(pod).status.phase == "Succeeded"


async def test_a_running_pod_that_is_deleted_is_stopped_ends_and_only_then_goes() -> None:
    store, node = new_store(), NotedNode()
    watch = store.watch()
    async with kubelet(store, node) as running:
        pod = create(store, new_pod(terminationGracePeriodSeconds=12))
        await running.settle()
        await running.phase(pod, "Running")
        await running.delete(pod)
        assert node.stopped == [StopPod(pod.metadata.uid, 12)]
        assert running.now(pod).status.phase == "Running"
        await running.phase(pod, "Failed")
        assert store.find(Pod, key_of(pod)) is None
        assert node.forgotten == [pod.metadata.uid]
    last = watch.next_nowait()[-1]
    assert last.removed
    assert isinstance(last.object, Pod)
    assert last.object.status.phase == "Failed"


async def test_an_ended_pod_is_kept_on_the_node_until_its_finalizer_lets_the_object_go() -> None:
    store, node = new_store(), NotedNode()
    async with kubelet(store, node) as running:
        pod = create(store, new_pod(finalizers=["example.com/held"]))
        await running.settle()
        await running.delete(pod)
        await running.phase(pod, "Failed")
        assert running.now(pod).metadata.deletion_grace_period_seconds == 0
        assert node.forgotten == []
        with_finalizers(store, pod)
        await running.settle()
        assert node.forgotten == [pod.metadata.uid]


async def test_a_forced_deletion_is_forgotten_at_once() -> None:
    store, node = new_store(), NotedNode()
    async with kubelet(store, node) as running:
        pod = create(store, new_pod())
        await running.settle()
        await running.delete(pod, grace_s=0)
        assert node.forgotten == [pod.metadata.uid]
        await running.phase(pod, "Succeeded")
        assert store.find(Pod, key_of(pod)) is None


async def test_pods_of_other_nodes_are_nothing_to_it() -> None:
    store, node = new_store(), NotedNode()
    pod = create(store, new_pod())
    write(store, lambda batch: batch.bind(key_of(pod), "elsewhere", pod.status))
    async with kubelet(store, node) as running:
        await running.delete(pod)
        assert (node.started, node.stopped) == ([], [])


async def test_after_a_restart_what_is_bound_is_started_and_what_was_found_is_matched() -> None:
    store = new_store()
    async with kubelet(store, NotedNode()) as running:
        running_on, ended, gone, deleted = (create(store, new_pod(name)) for name in ("on", "ended", "gone", "deleted"))
        await running.settle()
        await running.phase(ended, "Succeeded")
        uid = gone.metadata.uid
        await running.delete(deleted)
    write(store, lambda batch: batch.delete(Pod, (NAMESPACE, "gone"), DeleteOptions(grace_s=0)))
    node = NotedNode()
    node.found = [
        PodReport(running_on.metadata.uid, PodStatus(phase="Failed")),
        PodReport(uid, PodStatus(phase="Running")),
    ]
    async with kubelet(store, node) as running:
        assert node.started == ["on", "deleted"], "a node leaves alone what it has already"
        assert node.stopped == [StopPod(deleted.metadata.uid, 30)]
        assert running.now(running_on).status.phase == "Failed"
        assert node.forgotten == [uid]


async def test_a_kubelet_that_fell_behind_looks_at_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store, node = new_store(), NotedNode()
    async with kubelet(store, node) as running:
        gone, on = create(store, new_pod("gone")), create(store, new_pod("on"))
        await running.settle()
        monkeypatch.setattr(watching, "WATCH_CHANGES", 5)
        with store.batch() as batch:
            batch.delete(Pod, key_of(gone), DeleteOptions(grace_s=0))
            batch.delete(Pod, key_of(on))
            for number in range(10):
                batch.create(new_pod(f"new{number}"))
        monkeypatch.undo()
        await running.settle()
        assert node.forgotten == [gone.metadata.uid]
        assert node.stopped[0] == StopPod(on.metadata.uid, 30)
        assert node.started[2:] == [f"new{number}" for number in range(10)]

"""Between store and node: schedules pods, has them run, writes what became of them, and lets deleted ones go.

It does a scheduler's and a kubelet's work for one node. Two tasks: one follows the store and tells the node what to
do, the other writes the node's reports into the store. They meet only there, so that nothing depends on who is first.

nodeSelector, affinity and tolerations are not looked at: there is one node, and it takes every pod.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import anyio
from anyio.abc import TaskStatus

from podledger.api.pod import Pod, PodStatus
from podledger.ports import Node, PodNotice, PodReport, StopPod
from podledger_adapters.event_correlation import RecordPodEvent
from podledger_adapters.nodes.pod_status import merged_status, scheduled, unscheduled
from podledger_adapters.store import ApiError, Batch, ObjectStore, StoreChange
from podledger_adapters.store.api_error import Expired
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.event_recorder import EventRecorder

__all__ = ["Kubelet"]

SCHEDULER = "default-scheduler"
TERMINAL = ("Succeeded", "Failed")
TOO_MANY_PODS = "0/1 nodes are available: 1 Too many pods."
GATED = "Scheduling is blocked due to non-empty scheduling gates"


class _Work:
    """What one batch of changes asks of the node and the store."""

    def __init__(self) -> None:
        self.start: list[Pod] = []
        self.stop: list[StopPod] = []
        self.forget: list[str] = []
        self.delete: list[Pod] = []
        self.gate: list[Pod] = []


class Kubelet:
    """Runs the store's pods on a node."""

    def __init__(self, store: ObjectStore, node: Node, recorder: EventRecorder) -> None:
        self._store, self._node, self._recorder = store, node, recorder
        # Dicts for their order; all by uid.
        self._waiting: dict[str, Pod] = {}
        # Of the waiting ones, those that were not told why yet.
        self._untold: dict[str, None] = {}
        self._on_node: dict[str, Pod] = {}
        self._unfinished: dict[str, None] = {}

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled. What the node ran before, and what the store holds by now, is matched first.

        Raises whatever the node raises; StoreUnavailable when the store broke.
        """
        async with self._node.run() as reports, anyio.create_task_group() as tasks:
            listed = False
            while True:
                watch = self._store.watch()
                try:
                    await self._match()
                    if not listed:
                        tasks.start_soon(self._write_reports, reports)
                        task_status.started()
                        listed = True
                    async for changes in watch:
                        await self._follow(changes)
                except Expired:
                    continue  # Too much happened at once: look at everything there is.
                finally:
                    watch.close()

    async def _match(self) -> None:
        """Match what is known with everything the store holds."""
        work = _Work()
        there: set[str] = set()
        for pod in self._store.table(Pod):
            there.add(pod.metadata.uid)
            self._see(pod, work)
        for uid in (*self._waiting, *self._on_node):
            if uid not in there:
                self._lose(uid, work)
        # Nothing runs that a crash could forget.
        await self._store.durable()
        await self._do(work)

    # ---- following the store -----------------------------------------------------------------------------------

    async def _follow(self, changes: Sequence[StoreChange]) -> None:
        work = _Work()
        for change in changes:
            pod = change.object
            if not isinstance(pod, Pod):
                continue
            if change.removed:
                self._lose(pod.metadata.uid, work)
            else:
                self._see(pod, work)
        await self._do(work)

    def _see(self, pod: Pod, work: _Work) -> None:
        """Sort out what a pod's state asks for."""
        uid, node = pod.metadata.uid, pod.spec.node_name
        deleted = pod.metadata.deletion_timestamp is not None
        if node and node != self._node.name:
            self._waiting.pop(uid, None)
        elif pod.status.phase in TERMINAL:
            self._waiting.pop(uid, None)
            self._unfinished.pop(uid, None)
            if node:
                self._on_node[uid] = pod
            if deleted and pod.metadata.deletion_grace_period_seconds:
                work.delete.append(pod)
        elif node:
            if uid not in self._unfinished:
                self._waiting.pop(uid, None)
                self._unfinished[uid] = None
                work.start.append(pod)
            self._on_node[uid] = pod
            if deleted:
                work.stop.append(StopPod(uid, pod.metadata.deletion_grace_period_seconds or 0))
        elif deleted or pod.spec.base.get("schedulerName", SCHEDULER) != SCHEDULER:
            self._waiting.pop(uid, None)
        elif pod.spec.base.get("schedulingGates"):
            self._waiting.pop(uid, None)
            work.gate.append(pod)
        else:
            if uid not in self._waiting:
                self._untold[uid] = None
            self._waiting[uid] = pod

    def _lose(self, uid: str, work: _Work) -> None:
        self._waiting.pop(uid, None)
        self._unfinished.pop(uid, None)
        if self._on_node.pop(uid, None) is not None:
            work.forget.append(uid)

    async def _do(self, work: _Work) -> None:
        work.start += await self._schedule(work)
        if work.start:
            await self._node.start(work.start)
        if work.stop:
            await self._node.stop(work.stop)
        if work.delete:
            with self._store.batch() as batch:
                for pod in work.delete:
                    _delete_now(batch, pod)
            await batch.durable()
        if work.forget:
            await self._node.forget(work.forget)

    async def _schedule(self, work: _Work) -> Sequence[Pod]:
        """Bind waiting pods, oldest first, as far as the node's capacity goes; the bound ones, durably so."""
        capacity = self._node.capacity
        room = len(self._waiting) if capacity is None else max(0, capacity - len(self._unfinished))
        if not self._waiting and not work.gate:
            return ()
        now = self._store.timestamp()
        bound: list[Pod] = []
        statuses: dict[int, tuple[PodStatus, PodStatus]] = {}
        chosen = [uid for uid, _ in zip(self._waiting, range(room), strict=False)]
        with self._store.batch() as batch:
            for uid in chosen:
                pod = self._waiting.pop(uid)
                # Pods made together share their first status, and so they share the next one.
                known = statuses.get(id(pod.status))
                if known is None:
                    known = statuses[id(pod.status)] = (pod.status, scheduled(pod.status, now))
                if (new := self._bind(batch, pod, known[1])) is not None:
                    bound.append(new)
            for uid in self._untold:
                if (late := self._waiting.get(uid)) is not None:
                    _say_unscheduled(batch, late, "Unschedulable", TOO_MANY_PODS, now)
            self._untold.clear()
            for pod in work.gate:
                _say_unscheduled(batch, pod, "SchedulingGated", GATED, now)
        await batch.durable()
        return bound

    def _bind(self, batch: Batch, pod: Pod, status: PodStatus) -> Pod | None:
        uid = pod.metadata.uid
        try:
            new = batch.bind((pod.metadata.namespace, pod.metadata.name), self._node.name, status, uid=uid)
        except ApiError:
            return None  # Deleted, bound or gone by now: its next change says so.
        self._on_node[uid] = new
        self._unfinished[uid] = None
        return new

    # ---- writing the node's reports ----------------------------------------------------------------------------

    async def _write_reports(self, reports: AsyncIterator[Sequence[PodReport]]) -> None:
        async for batch_of_reports in reports:
            strangers: list[str] = []
            merged: dict[tuple[int, int], PodStatus] = {}
            with self._store.batch() as batch:
                for report in batch_of_reports:
                    known = self._on_node.get(report.uid)
                    if known is None:
                        strangers.append(report.uid)
                    else:
                        self._write(batch, known, report.status, merged)
                        for notice in report.notices:
                            self._recorder.record(batch, self._event(known, notice))
            if strangers:
                # Found on the node, but their objects are gone: deleted while nobody looked.
                await self._node.forget(strangers)

    def _event(self, pod: Pod, notice: PodNotice) -> RecordPodEvent:
        init = any(each["name"] == notice.container for each in pod.spec.base.get("initContainers") or ())
        return RecordPodEvent(
            pod=pod.metadata.uid,
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            field_path=f"spec.{'initContainers' if init else 'containers'}{{{notice.container}}}",
            node=self._node.name,
            type=notice.type,
            reason=notice.reason,
            message=notice.message,
        )

    def _write(self, batch: Batch, known: Pod, reported: PodStatus, merged: dict[tuple[int, int], PodStatus]) -> None:
        key = (known.metadata.namespace, known.metadata.name)
        stored = self._store.find(Pod, key)
        if stored is None or stored.metadata.uid != known.metadata.uid or stored.status.phase in TERMINAL:
            return  # Gone, or over: a terminal phase is final.
        pair = (id(stored.status), id(reported))
        status = merged.get(pair)
        if status is None:
            status = merged[pair] = merged_status(stored.status, reported)
        batch.set_pod_status(key, status, uid=known.metadata.uid)


def _delete_now(batch: Batch, pod: Pod) -> None:
    """What a kubelet does once a deleted pod has ended: delete it again, with grace 0."""
    key = (pod.metadata.namespace, pod.metadata.name)
    try:
        batch.delete(Pod, key, DeleteOptions(uid=pod.metadata.uid, grace_s=0))
    except ApiError as error:
        if error.code not in (404, 409):
            raise


def _say_unscheduled(batch: Batch, pod: Pod, reason: str, message: str, now: datetime) -> None:
    status = unscheduled(pod.status, reason, message, now)
    if status is pod.status:
        return
    try:
        batch.set_pod_status((pod.metadata.namespace, pod.metadata.name), status, uid=pod.metadata.uid)
    except ApiError as error:
        if error.code not in (404, 409):
            raise

"""One run of the process node: the pods it knows, what wakes it, and the reports it makes.

Nothing is polled: shims write to a FIFO when a pod changes, a pidfd tells that a shim ended, a pipe that the spawner
did. Only what has no pidfd (macOS) and what outlives its shim for a moment is looked at again after a pause.
"""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from podledger.api import Pod, PodStatus
from podledger.errors import ClusterError, InputError
from podledger.ports import PodNotice, PodReport, StopPod
from podledger_adapters.nodes.process.check import check_pod_spec
from podledger_adapters.nodes.process.directory import (
    find_records,
    open_root,
    remove_records,
    request_stops,
    write_specs,
)
from podledger_adapters.nodes.process.host import this_machine
from podledger_adapters.nodes.process.shim.ending import none_ran
from podledger_adapters.nodes.process.shim.pod_spec import ShimSpec
from podledger_adapters.nodes.process.shim.pod_state import Notice
from podledger_adapters.nodes.process.shim.record import PodRecord
from podledger_adapters.nodes.process.spawning import Spawner
from podledger_adapters.nodes.process.spec import NodeSettings, shim_spec
from podledger_adapters.nodes.process.status import pod_status
from podledger_adapters.nodes.process.watch import LINGER_S, Sighting, look_at, record_refusal

__all__ = ["NodeRun"]

MAX_SPAWNER_ENDS = 3
"""After so many unexpected ends of the spawner without a shim in between the node gives up."""
SHUTDOWN_S = 10.0
"""How long to wait, when pods end with podledger, for the last of them."""

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class _Known:
    """A pod the node knows. `requested`: of the spawner; `started`: its shim recorded something; `done`: and is over.

    `pidfd` is -1 where none is open; `reported` the last report, while more may come.
    """

    __slots__ = ("done", "pidfd", "record", "reported", "requested", "spec", "started", "unfit")

    def __init__(self, record: PodRecord, spec: ShimSpec) -> None:
        self.record, self.spec = record, spec
        self.pidfd = -1
        self.requested = self.started = self.done = False
        self.reported: PodStatus | None = None
        self.unfit = ""


class NodeRun:
    """Made by `open`. Its state is touched by the event loop alone; what blocks runs in threads and returns values."""

    def __init__(
        self, root: Path, settings: NodeSettings, spawner: Spawner, wake_fd: int, on_end: Callable[[str], None]
    ) -> None:
        self._root, self._settings, self._on_end = root, settings, on_end
        self._spawner, self._wake_fd = spawner, wake_fd
        self._pods: dict[str, _Known] = {}
        # Of pods that ended no more is kept than that, until they are forgotten.
        self._ended: set[str] = set()
        self._changed: set[str] = set()
        self._again: dict[str, float] = {}
        self._ready: list[PodReport] = []
        self._wakeup = anyio.Event()
        self._spawner_ends = 0
        self._spawner_ended = False
        # Whether it can mount, the shim finds out.
        self._abilities = this_machine(mounts=False)
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<NodeRun {len(self._pods)} running, {len(self._ended)} ended, {len(self._changed)} changed>"

    @classmethod
    @asynccontextmanager
    async def open(
        cls, root: Path, settings: NodeSettings, *, on_end: Callable[[str], None]
    ) -> AsyncGenerator["NodeRun"]:
        """Take the directory over and look at what is in it. `on_end` is called with the uid of each pod that ended.

        Raises ClusterError.
        """
        lock, wake_fd = await to_thread.run_sync(open_root, root, settings.facts.name)
        run: NodeRun | None = None
        try:
            run = cls(root, settings, await to_thread.run_sync(Spawner, root), wake_fd, on_end)
            run._listen()
            await run._find()
            yield run
        finally:
            with anyio.CancelScope(shield=True):
                if run is not None:
                    await run._close()
                os.close(wake_fd)
                os.close(lock)

    async def _find(self) -> None:
        """Take over the pods of earlier runs."""
        for record, spec in await to_thread.run_sync(find_records, self._root):
            self._pods[record.uid] = _Known(record, spec)
            self._changed.add(record.uid)
        self._wake()

    async def _close(self) -> None:
        self._loop.remove_reader(self._wake_fd)
        self._loop.remove_reader(self._spawner.end_fd)
        for known in self._pods.values():
            self._unwatch(known)
        await to_thread.run_sync(self._spawner.close)
        if not self._settings.survive:
            # The closed pipe has told the shims; they need a moment to end their pods.
            with anyio.move_on_after(SHUTDOWN_S):
                for known in list(self._pods.values()):
                    await self._until_ended(known)

    async def _until_ended(self, known: _Known) -> None:
        """Wait until nothing of the pod runs any more: it was told to end, so a moment."""
        while True:
            if known.done or not await to_thread.run_sync(known.record.locked):
                return
            await anyio.sleep(LINGER_S)

    # ---- what wakes it ----------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._loop.add_reader(self._wake_fd, self._on_wake)
        self._loop.add_reader(self._spawner.end_fd, self._on_spawner_end)

    def _wake(self) -> None:
        self._wakeup.set()

    def _on_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._wake_fd, 1 << 16)
            if len(data) == 1 << 16:
                # It was full, so some shim may not have got its line in.
                self._changed.update(self._pods)
            self._changed.update(data.decode(errors="replace").split())
        self._wake()

    def _on_spawner_end(self) -> None:
        self._loop.remove_reader(self._spawner.end_fd)
        self._spawner_ended = True
        self._wake()

    def _on_shim_end(self, uid: str) -> None:
        known = self._pods[uid]
        self._unwatch(known)
        self._changed.add(uid)
        self._wake()

    def _watch(self, known: _Known, pidfd: int) -> None:
        known.pidfd = pidfd
        self._loop.add_reader(pidfd, self._on_shim_end, known.record.uid)

    def _unwatch(self, known: _Known) -> None:
        if known.pidfd >= 0:
            self._loop.remove_reader(known.pidfd)
            os.close(known.pidfd)
            known.pidfd = -1

    # ---- reports ----------------------------------------------------------------------------------------------

    def __aiter__(self) -> "NodeRun":
        return self

    async def __anext__(self) -> Sequence[PodReport]:
        """What changed. Raises ClusterError if shims cannot be started any more."""
        while not self._ready:
            with anyio.move_on_after(min(self._again.values(), default=None)):
                await self._wakeup.wait()
            # Cancelled while it waits, but not between seeing a change and keeping it.
            with anyio.CancelScope(shield=True):
                await self._look()
        reports, self._ready = self._ready, []
        return reports

    async def _look(self) -> None:
        self._wakeup = anyio.Event()
        if self._spawner_ended:
            await self._respawn()
        uids = (self._changed | self._again.keys()) & self._pods.keys()
        self._changed, self._again = set(), {}
        looks = [(known.record, known.spec, known.pidfd >= 0) for known in map(self._pods.__getitem__, uids)]
        sightings = await to_thread.run_sync(look_at, looks) if looks else []
        self._ready += [report for each in sightings if (report := self._take(each)) is not None]
        await self._settle([each.uid for each in sightings if each.state is None and not each.alive])

    def _take(self, sighting: Sighting) -> PodReport | None:
        """Learn from a sighting; what to report, if anything."""
        known = self._pods.get(sighting.uid)
        if known is None:
            if sighting.pidfd >= 0:
                os.close(sighting.pidfd)
            return None
        if sighting.pidfd >= 0:
            self._watch(known, sighting.pidfd)
        elif sighting.again_s is not None:
            self._again[sighting.uid] = sighting.again_s
        if sighting.state is None:
            return None
        known.started, self._spawner_ends = True, 0
        status = pod_status(known.spec, sighting.state, self._settings.facts.ip)
        if sighting.state["done"]:
            self._end(known)
        elif status == known.reported and not sighting.notices:
            return None
        else:
            known.reported = status
        return PodReport(sighting.uid, status, tuple(map(_notice, sighting.notices)))

    def _end(self, known: _Known) -> None:
        known.done = True
        self._unwatch(known)
        del self._pods[known.record.uid]
        self._ended.add(known.record.uid)
        self._on_end(known.record.uid)

    async def _settle(self, uids: Sequence[str]) -> None:
        """Pods with neither record nor shim: request a shim, or give up where that was done."""
        unstarted = [known for uid in uids if (known := self._pods.get(uid)) is not None]
        failed = [known for known in unstarted if known.requested]
        await self._spawn([known for known in unstarted if not known.requested])
        for known in failed:
            await self._refuse(known, "FailedToStart", f"the pod's shim ended before it began: see {known.record.path}")

    async def _refuse(self, known: _Known, reason: str, message: str) -> None:
        """Report a pod that cannot be run, and record that where the disk allows."""
        try:
            await to_thread.run_sync(record_refusal, known.record, known.spec, reason, message)
        except OSError as error:
            state = none_ran(known.spec, reason, f"{message}; {error}", time.time())
            self._end(known)
            status = pod_status(known.spec, state, self._settings.facts.ip)
            self._ready.append(PodReport(known.record.uid, status))
        self._changed.add(known.record.uid)
        self._wake()

    async def _spawn(self, pods: Collection[_Known]) -> None:
        for known in pods:
            known.requested = True
        if pods:
            # Where the spawner is gone its end is being noticed too, and all unstarted pods requested again.
            await to_thread.run_sync(self._spawner.spawn, [known.record.uid for known in pods])

    async def _respawn(self) -> None:
        """The spawner ended unasked: start another, and ask it for what the first may not have started."""
        self._spawner_ends += 1
        failure = await to_thread.run_sync(self._spawner.failure)
        await to_thread.run_sync(self._spawner.close)
        if self._spawner_ends >= MAX_SPAWNER_ENDS:
            raise ClusterError(f"cannot start pods: the process that starts their shims ends at once: {failure}")
        self._spawner = await to_thread.run_sync(Spawner, self._root)
        self._spawner_ended = False
        self._loop.add_reader(self._spawner.end_fd, self._on_spawner_end)
        await self._spawn([known for known in self._pods.values() if not known.started])

    # ---- what the port asks for -------------------------------------------------------------------------------

    async def start(self, pods: Sequence[Pod]) -> None:
        """As `Node.start`. Not cancelled half way: a pod that is known here is also being run."""
        with anyio.CancelScope(shield=True):
            await self._start(pods)

    async def _start(self, pods: Sequence[Pod]) -> None:
        new: list[_Known] = []
        for pod in pods:
            uid = pod.metadata.uid
            if uid in self._pods or uid in self._ended:
                continue
            if not _UID.fullmatch(uid):
                raise InputError(f"pod {pod.metadata.name}: uid {uid!r} cannot be the name of a directory")
            record = PodRecord(str(self._root), uid)
            known = _Known(record, shim_spec(pod, self._settings, f"{record.path}/volumes"))
            # Known before anything of it can be heard.
            self._pods[uid] = known
            new.append(known)
            if faults := check_pod_spec(pod.spec.base, abilities=self._abilities):
                known.requested = True
                known.unfit = "; ".join(str(fault) for fault in faults)
        failures = await to_thread.run_sync(write_specs, [(known.record, known.spec) for known in new])
        for known in new:
            if failure := failures.get(known.record.uid):
                await self._refuse(known, "FailedToStart", failure)
            elif known.unfit:
                await self._refuse(known, "UnsupportedPodSpec", known.unfit)
        await self._spawn([known for known in new if not known.done and not known.requested])

    async def stop(self, stops: Sequence[StopPod]) -> None:
        """As `Node.stop`."""
        asked = [(known.record, stop.grace_s) for stop in stops if (known := self._pods.get(stop.uid)) is not None]
        if asked:
            await to_thread.run_sync(request_stops, asked)

    async def forget(self, uids: Sequence[str]) -> None:
        """As `Node.forget`."""
        live = [known for uid in uids if (known := self._pods.get(uid)) is not None]
        await self.stop([StopPod(known.record.uid, 0) for known in live])
        for known in live:
            await self._until_ended(known)
            self._unwatch(known)
        gone = [uid for uid in uids if self._pods.pop(uid, None) is not None or uid in self._ended]
        self._ended.difference_update(gone)
        await to_thread.run_sync(remove_records, [PodRecord(str(self._root), uid) for uid in gone])


def _notice(notice: Notice) -> PodNotice:
    return PodNotice(notice["container"], notice["type"], notice["reason"], notice["message"])

"""A node that only acts as if: pods take the time and end the way a behaviour says, on any clock.

One task and one heap for all pods; a hundred thousand of them that end in the same instant are one wake-up and one
list of reports. What pods do is `behaviour.py`, what is reported of them `simulated_status.py`.
"""

import heapq
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import anyio

from podledger.api.pod import Pod, PodStatus
from podledger.ports import Clock, PodReport, StopPod
from podledger_adapters.nodes.behaviour import Behaviour, Draws, PodRun, Workload, completion_index
from podledger_adapters.nodes.simulated_status import StatusWriter

__all__ = ["SimulatedNode"]

CRASH_LOOP_S = 10.0
"""The first wait before containers are started again; it doubles each time, as a kubelet's does."""

CRASH_LOOP_MAX_S = 300.0
KILLED = 137
NOTHING_WRITTEN: tuple[bytes, ...] = ()

ALWAYS = -1
Step = Callable[["_Running", float], None]


class _Running:
    """A pod that has not ended. `turn` counts its changes of plan: what an earlier turn put on the heap is void."""

    __slots__ = ("ends_s", "lineage", "pod", "restarts", "run", "started_s", "stop_code", "stopped_s", "turn")

    def __init__(self, pod: Pod, lineage: str, now: float) -> None:
        self.pod = pod
        self.lineage = lineage
        self.run = PodRun()
        self.started_s = now
        self.restarts = 0
        self.turn = 0
        self.stopped_s: float | None = None
        self.ends_s = math.inf
        self.stop_code = KILLED


class SimulatedNode:
    """Runs pods in imagination, on any clock.

    The same seed gives the same runs: what a pod does depends on its owner's name, its completion index and how many
    pods came before it there, and not on what else happens.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        behaviour: Behaviour | None = None,
        name: str = "simulated",
        capacity: int | None = None,
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._behaviour: Behaviour = behaviour or Workload()
        self._name = name
        self._capacity = capacity
        self._running: dict[str, _Running] = {}
        # The owner of every pod that is not forgotten; per owner, how many there are, and how many each index had.
        self._owner_of: dict[str, str] = {}
        self._pods_of: dict[str, int] = {}
        self._attempts: dict[str, dict[int, int]] = {}
        self._due: list[tuple[float, int, _Running, int, Step]] = []
        self._order = count()
        self._statuses = StatusWriter()
        self._reports: list[PodReport] = []
        self._reported = anyio.Event()
        self._sooner = anyio.Event()
        self._sleep = anyio.CancelScope()
        self._followed: dict[str, anyio.Event] = {}

    @property
    def name(self) -> str:
        """The node's name."""
        return self._name

    @property
    def capacity(self) -> int | None:
        """How many unfinished pods it takes at once; None for no limit."""
        return self._capacity

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[AsyncIterator[Sequence[PodReport]]]:
        """Let time pass for the pods while inside; the iterator yields reports for ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._live)
            try:
                yield self._report()
            finally:
                tasks.cancel_scope.cancel()

    async def start(self, pods: Sequence[Pod]) -> None:
        """Run these pods. A uid known already is left alone."""
        now = self._clock.now()
        for pod in pods:
            uid = pod.metadata.uid
            if uid in self._owner_of:
                continue
            running = self._running[uid] = _Running(pod, self._enrol(pod), now)
            self._draw(running, now)
            deadline_s = pod.spec.base.get("activeDeadlineSeconds")
            if deadline_s is not None:
                self._plan(running, now + deadline_s, self._outrun, ALWAYS)

    async def stop(self, stops: Sequence[StopPod]) -> None:
        """End these pods; a repeat may only shorten the grace. Unknown and ended ones are ignored."""
        now = self._clock.now()
        for stop in stops:
            running = self._running.get(stop.uid)
            if running is None:
                continue
            if running.stopped_s is None:
                running.stopped_s = now
            heeded_s, killed_s = running.stopped_s + running.run.stop_s, now + stop.grace_s
            ends_s = min(heeded_s, killed_s)
            if ends_s < running.ends_s:
                running.ends_s = ends_s
                running.stop_code = running.run.stop_exit_code if heeded_s <= killed_s else KILLED
                running.turn += 1
                self._plan(running, ends_s, self._stopped, running.turn)

    async def forget(self, uids: Sequence[str]) -> None:
        """Forget these pods; one that still runs is gone without a trace."""
        for uid in uids:
            self._running.pop(uid, None)
            self._tell_followers(uid)
            owner = self._owner_of.pop(uid, None)
            if owner is not None:
                self._pods_of[owner] -= 1
                if not self._pods_of[owner]:
                    del self._pods_of[owner], self._attempts[owner]

    async def logs(self, uid: str, container: str, *, follow: bool = False) -> AsyncIterator[bytes]:
        """Simulated pods write nothing; with `follow` the iterator ends when the pod does. Raises KeyError."""
        if uid not in self._owner_of:
            raise KeyError(uid)
        if follow and uid in self._running:
            await self._followed.setdefault(uid, anyio.Event()).wait()
        for line in NOTHING_WRITTEN:
            yield line

    # ---- a pod's life ------------------------------------------------------------------------------------------

    def _enrol(self, pod: Pod) -> str:
        """Count the pod in; what its draws are keyed by."""
        metadata = pod.metadata
        controller = metadata.controller()
        owner = f"{metadata.namespace}/{metadata.name if controller is None else controller.name}"
        index = completion_index(pod)
        attempts = self._attempts.setdefault(owner, {})
        attempt = attempts[index] = attempts.get(index, 0) + 1
        self._owner_of[metadata.uid] = owner
        self._pods_of[owner] = self._pods_of.get(owner, 0) + 1
        return f"{self._seed}/{owner}/{index}/{attempt}"

    def _draw(self, running: _Running, now: float) -> None:
        """Decide what the pod's containers do this time, and begin."""
        running.run = self._behaviour(running.pod, Draws(f"{running.lineage}/{running.restarts}"))
        if running.run.start_s > 0:
            self._plan(running, now + running.run.start_s, self._begin, running.turn)
        else:
            self._begin(running, now)

    def _begin(self, running: _Running, now: float) -> None:
        running.started_s = now
        run = running.run
        if run.duration_s <= 0:
            self._exit(running, now)
            return
        self._tell_running(running, now, ready=run.ready_s == 0)
        if run.ready_s is not None and 0 < run.ready_s < run.duration_s:
            self._plan(running, now + run.ready_s, self._get_ready, running.turn)
        self._plan(running, now + run.duration_s, self._exit, running.turn)

    def _get_ready(self, running: _Running, now: float) -> None:
        self._tell_running(running, now, ready=True)

    def _exit(self, running: _Running, now: float) -> None:
        """The containers exited by themselves: the restart policy says whether that is the pod's end."""
        if running.run.disrupted:
            self._over(running, self._statuses.disrupted(running.pod.spec.base, running.started_s, now))
            return
        policy, code = running.pod.spec.restart_policy, running.run.exit_code
        if policy == "Always" or (policy == "OnFailure" and code):
            running.restarts += 1
            wait_s = min(CRASH_LOOP_S * 2.0 ** min(running.restarts - 1, 10), CRASH_LOOP_MAX_S)
            base = running.pod.spec.base
            status = self._statuses.waiting(base, running.started_s, now, code, running.restarts)
            self._tell(PodReport(running.pod.metadata.uid, status))
            self._plan(running, now + wait_s, self._draw, running.turn)
        else:
            self._end(running, now, code)

    def _stopped(self, running: _Running, now: float) -> None:
        self._end(running, now, running.stop_code)

    def _outrun(self, running: _Running, now: float) -> None:
        self._end(running, now, KILLED, late=True)

    def _end(self, running: _Running, now: float, code: int, *, late: bool = False) -> None:
        base, restarts = running.pod.spec.base, running.restarts
        self._over(running, self._statuses.ended(base, running.started_s, now, code, restarts=restarts, late=late))

    def _over(self, running: _Running, status: PodStatus) -> None:
        uid = running.pod.metadata.uid
        del self._running[uid]
        self._tell(PodReport(uid, status))
        self._tell_followers(uid)

    # ---- time and reports --------------------------------------------------------------------------------------

    def _plan(self, running: _Running, when: float, step: Step, turn: int) -> None:
        sooner = not self._due or when < self._due[0][0]
        heapq.heappush(self._due, (when, next(self._order), running, turn, step))
        if sooner:
            self._sooner.set()
            self._sleep.cancel()

    async def _live(self) -> None:
        """Sleep until the next step is due, take all that are, and again."""
        while True:
            now = self._clock.now()
            while self._due and self._due[0][0] <= now:
                _, _, running, turn, step = heapq.heappop(self._due)
                alive = self._running.get(running.pod.metadata.uid) is running
                if alive and turn in (running.turn, ALWAYS):
                    step(running, now)
            self._sooner = anyio.Event()
            if not self._due:
                await self._sooner.wait()
                continue
            with anyio.CancelScope() as self._sleep:
                await self._clock.sleep_until(self._due[0][0])

    async def _report(self) -> AsyncGenerator[Sequence[PodReport]]:
        while True:
            await self._reported.wait()
            self._reported = anyio.Event()
            reports, self._reports = self._reports, []
            yield reports

    def _tell_running(self, running: _Running, now: float, *, ready: bool) -> None:
        base, restarts = running.pod.spec.base, running.restarts
        status = self._statuses.running(base, running.started_s, now, ready=ready, restarts=restarts)
        self._tell(PodReport(running.pod.metadata.uid, status))

    def _tell(self, report: PodReport) -> None:
        self._reports.append(report)
        self._reported.set()

    def _tell_followers(self, uid: str) -> None:
        followed = self._followed.pop(uid, None)
        if followed is not None:
            followed.set()

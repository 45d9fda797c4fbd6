"""The Cluster port with faults: calls that are refused, lost, slow, applied without an answer, or applied after death.

A batch of calls is made by a task of the world and not of the process, as a request on the wire is nobody's task:
the process may die while it is under way. Watches are `faulty_watch.py`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from podledger.api.job import Job, JobKey
from podledger.job.command import AdoptPod, Command, DeletePod, LetGoPod, RecordEvent, ReleasePod
from podledger.ports import Change, Clock, Failed, Outcome, Unknown
from tests.simulation.faults import Fault, Faults
from tests.simulation.faulty_watch import FaultyWatch
from tests.simulation.history import History
from tests.simulation.life import Life
from tests.simulation.restorable import RestorableCluster

__all__ = ["FaultyCluster", "Wire"]

# The longest that a batch of calls takes, or its answers, that one object's calls are denied, and that all are: virtual
# seconds.
SLOW_S = 20.0
DENIED_S = 600.0
REVOKED_S = 1800.0

Watcher = Callable[[Command, Outcome | None, Life], None]


class Wire:
    """Calls under way, whoever made them. `watcher` is told of each call when it is made and when it is answered.

    `made` counts the calls.
    """

    def __init__(self, cluster: RestorableCluster, faults: Faults, watcher: Watcher) -> None:
        self._cluster, self._faults, self._watcher = cluster, faults, watcher
        self._cuts = 0
        self._denied: dict[str, float] = {}
        self._revoked_until_s = 0.0
        self.made = 0
        # A dict for its order.
        self._under_way: dict[asyncio.Task[list[Outcome]], None] = {}

    def send(self, commands: Sequence[Command], life: Life) -> asyncio.Task[list[Outcome]]:
        """Make the calls; the task ends with their outcomes. Cancelling whoever waits leaves it alone."""
        self.made += len(commands)
        for command in commands:
            self._watcher(command, None, life)
        task = asyncio.get_running_loop().create_task(self._make(commands, life), name="calls")
        self._under_way[task] = None
        task.add_done_callback(self._arrived)
        return task

    async def settle(self) -> None:
        """Wait until no call is under way."""
        while self._under_way:
            await asyncio.wait(tuple(self._under_way))

    def cut(self) -> None:
        """Whatever is under way is lost: the cluster goes down."""
        self._cuts += 1

    def _arrived(self, task: asyncio.Task[list[Outcome]]) -> None:
        self._under_way.pop(task, None)

    async def _make(self, commands: Sequence[Command], life: Life) -> list[Outcome]:
        cuts = self._cuts
        if self._faults.strikes(Fault.SLOW_CALL):
            await asyncio.sleep(self._faults.seconds(SLOW_S))
        outcomes: list[Outcome] = []
        for command in commands:
            if cuts != self._cuts:
                outcomes.append(Unknown("the simulated cluster went down"))
                continue
            if not life.alive and not self._faults.strikes(Fault.LATE_WRITE):
                break  # It was never sent. Nobody is left who would read the outcomes.
            if life.alive and outcomes and self._faults.strikes(Fault.CRASH_AMONG_CALLS):
                life.die(Fault.CRASH_AMONG_CALLS)
                continue
            outcome = await self._call(command, life)
            self._watcher(command, outcome, life)
            outcomes.append(outcome)
        if self._faults.strikes(Fault.SLOW_ANSWER):
            await asyncio.sleep(self._faults.seconds(SLOW_S))
        return outcomes

    async def _call(self, command: Command, life: Life) -> Outcome:
        if isinstance(command, RecordEvent):
            return (await (await self._cluster.up()).perform([command]))[0]
        if self._is_denied(command):
            return Failed(403, "Forbidden", "denied by the simulated webhook, or for want of rights")
        if self._faults.strikes(Fault.CALL_REFUSED):
            return Failed(500, "InternalError", "the simulated API server has a bad moment")
        if self._faults.strikes(Fault.CALL_THROTTLED):
            return Failed(429, "TooManyRequests", "the simulated API server is busy", retry_after_s=1.0)
        if self._faults.strikes(Fault.CALL_LOST):
            return Unknown("the simulated network lost the request")
        outcome = (await (await self._cluster.up()).perform([command]))[0]
        if self._faults.strikes(Fault.ANSWER_LOST):
            self._watcher(command, outcome, life)
            return Unknown("the simulated network lost the answer")
        return outcome

    def _is_denied(self, command: Command) -> bool:
        """Whether calls about the command's pod, or else its Job, are denied now, or all calls."""
        subject = command.uid if isinstance(command, ReleasePod | DeletePod | AdoptPod | LetGoPod) else command.job
        now_s = asyncio.get_running_loop().time()
        if self._faults.strikes(Fault.CALL_DENIED):
            self._denied[subject] = now_s + self._faults.seconds(DENIED_S)
        if self._faults.strikes(Fault.RIGHTS_REVOKED):
            self._revoked_until_s = now_s + self._faults.seconds(REVOKED_S)
        return self._faults.active and now_s < max(self._denied.get(subject, 0.0), self._revoked_until_s)


class FaultyCluster:
    """`podledger.ports.Cluster` for one life."""

    def __init__(
        self, cluster: RestorableCluster, wire: Wire, history: History, life: Life, faults: Faults, clock: Clock
    ) -> None:
        self._cluster, self._wire, self._history = cluster, wire, history
        self._life, self._faults, self._clock = life, faults, clock

    async def identity(self) -> str:
        """See `Cluster.identity`."""
        self._life.point(Fault.CRASH_AT_PORT)
        return await (await self._cluster.up()).identity()

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """See `Cluster.watch`."""
        self._life.point(Fault.CRASH_AT_PORT)
        yield FaultyWatch(self._history, self._life, self._faults, self._clock)

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`."""
        self._life.point(Fault.CRASH_BEFORE_CALL)
        outcomes = await asyncio.shield(self._wire.send(commands, self._life))
        self._life.point(Fault.CRASH_AFTER_CALL)
        return outcomes

    async def get_job(self, key: JobKey) -> Job | None:
        """See `Cluster.get_job`."""
        self._life.point(Fault.CRASH_AT_PORT)
        return await (await self._cluster.up()).get_job(key)

"""Syncs of many Jobs or CronJobs together: decide, make durable, perform, fold the answers, until nothing is left.

What is due at the same time shares its appends and its calls, so that ten thousand small Jobs cost few batches. What a
step is, is the business of each `OneSync` (`sync.py`, `cron_sync.py`); who is due that of the controller.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from itertools import repeat
from typing import Generic, NamedTuple, TypeVar

import anyio

from podledger.event import Event
from podledger.job.outcome import Unknown
from podledger.journal import Journal
from podledger.ports import Clock
from podledger.reflector import Reflector

__all__ = ["OneSync", "SyncResult", "sync_together"]

RESTORED = Unknown("the cluster was restored from a backup meanwhile")

Command = TypeVar("Command")
Outcome = TypeVar("Outcome")


class SyncResult(NamedTuple):
    """How the sync of a Job or CronJob ended.

    `wake_at`: wall time of the next timer, None for none. `left`: results were left for the next sync. `failed`: a call
    failed, or nothing could be done about what is left; try again by the retry curve.
    """

    job: str
    wake_at: float | None = None
    left: bool = False
    failed: bool = False


class OneSync(ABC, Generic[Command, Outcome]):
    """The sync of one Job or CronJob: what it has come to so far, and its next step."""

    __slots__ = ("failed", "uid", "wake_at")

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.failed = False
        self.wake_at: float | None = None

    @abstractmethod
    def decide(self, now: float, position: int, *, begins: bool) -> tuple[Sequence[Event], Sequence[Command]]:
        """The next step: what is decided and what is to be called. Neither where nothing is left to do."""

    @abstractmethod
    def take_in(self, command: Command, outcome: Outcome | Unknown, now: float) -> Sequence[Command]:
        """Fold what a call returned; what to tell users of it."""

    @abstractmethod
    def result(self) -> SyncResult:
        """How it ended."""


async def sync_together(
    syncs: Sequence[OneSync[Command, Outcome]],
    perform: Callable[[Sequence[Command]], Awaitable[Sequence[Outcome | Unknown]]],
    *,
    incarnation: int,
    journal: Journal,
    reflector: Reflector,
    clock: Clock,
) -> None:
    """Take these syncs to their ends. Raises the log's errors; what calls met is in the results.

    They rest on what was seen of an `incarnation` of the cluster: when that is over they break off, no matter where.
    """
    begins = True
    while syncs and reflector.is_current(incarnation):
        calls: list[Command] = []
        callers: list[OneSync[Command, Outcome]] = []
        acted: list[OneSync[Command, Outcome]] = []
        now = clock.now()
        for sync in syncs:
            events, commands = sync.decide(now, journal.projection.position, begins=begins)
            if not events and not commands:
                continue
            journal.add(events)
            calls.extend(commands)
            callers.extend(repeat(sync, len(commands)))
            acted.append(sync)
        syncs, begins = acted, False
        if not calls:
            continue
        await journal.durable()
        # A call that was begun is finished and its answer kept, or a restart would have to ask again.
        with anyio.CancelScope(shield=True):
            outcomes = await perform(calls) if reflector.is_current(incarnation) else ()
            if not reflector.is_current(incarnation):  # neither what was done nor its versions need be there any more
                outcomes = [RESTORED] * len(calls)
            notices: list[Command] = []
            now = clock.now()
            for sync, command, outcome in zip(callers, calls, outcomes, strict=True):
                notices.extend(sync.take_in(command, outcome, now))
            journal.flush()
            if notices:
                await perform(notices)
    journal.flush()

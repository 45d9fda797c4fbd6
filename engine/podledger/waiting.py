"""Waiting for something or for a time, whichever comes first, and the users who wait for a Job to finish."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio

from podledger.api.job import JobKey, JobStatus
from podledger.job.state import JobState
from podledger.ports import Clock

__all__ = ["Waiter", "Waiters", "wait_at_most", "wait_until"]

# Wall time in floating point has steps of a quarter of a microsecond: what is left below this is no time at all.
GRAIN_S = 1e-6


async def wait_until(clock: Clock, event: anyio.Event, until: float | None) -> None:
    """Wait for the event, or for a wall time, None for never. As the clock may, it returns early when that is set."""
    if until is None:
        await event.wait()
        return
    async with anyio.create_task_group() as tasks:

        async def alarm() -> None:
            await clock.sleep_until(until)
            tasks.cancel_scope.cancel()

        tasks.start_soon(alarm)
        await event.wait()
        tasks.cancel_scope.cancel()


async def wait_at_most(clock: Clock, event: anyio.Event, seconds: float | None) -> bool:
    """Wait for the event, for some seconds, None for ever; whether it came. Setting the wall clock changes nothing."""
    if seconds is None:
        await event.wait()
        return True
    end = clock.monotonic() + seconds
    while not event.is_set() and (left := end - clock.monotonic()) > GRAIN_S:
        await wait_until(clock, event, clock.now() + left)
    return event.is_set()


class Waiter:
    """Somebody who waits for a Job. When `ended` is set, `status` is that of the finished Job.

    It stays None where the Job went before it finished (`gone`), or where nobody will look any more.
    """

    __slots__ = ("ended", "gone", "status", "uid")

    def __init__(self) -> None:
        self.uid = ""
        self.gone = False
        self.status: JobStatus | None = None
        self.ended = anyio.Event()

    def look(self, state: JobState | None) -> None:
        """The Job of this name as it is now; one that was never there is waited for."""
        if self.ended.is_set() or (state is not None and state.gone and state.uid != self.uid):
            return  # a former Job of this name, of which pods are left
        if self.uid and (state is None or state.gone or state.uid != self.uid):
            self.gone = True
            self.ended.set()
        elif state is not None:
            self.uid = state.uid
            if state.finished:
                self.status = state.published
                self.ended.set()


class Waiters:
    """All who wait, by the name of the Job; `_names` has the names of the Jobs they saw, for when one is gone."""

    def __init__(self) -> None:
        self._waiters: dict[JobKey, dict[Waiter, None]] = {}
        self._names: dict[str, JobKey] = {}

    def __len__(self) -> int:
        return sum(len(waiters) for waiters in self._waiters.values())

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def __repr__(self) -> str:
        return f"<Waiters {len(self)} for {len(self._waiters)} Jobs>"

    @contextmanager
    def enter(self, key: JobKey, state: JobState | None) -> Generator[Waiter]:
        """Wait for the Job inside; `state` is what is known of it now."""
        waiter = Waiter()
        waiter.look(state)
        self._waiters.setdefault(key, {})[waiter] = None
        if waiter.uid:
            self._names[waiter.uid] = key
        try:
            yield waiter
        finally:
            others = self._waiters[key]
            del others[waiter]
            if all(other.uid != waiter.uid for other in others):
                self._names.pop(waiter.uid, None)
            if not others:
                del self._waiters[key]

    def look(self, key: JobKey, state: JobState) -> None:
        """Something happened to the Job of this name."""
        for waiter in self._waiters.get(key, ()):
            waiter.look(state)
            if waiter.uid == state.uid:
                self._names[state.uid] = key

    def look_for_gone(self, uid: str) -> None:
        """This Job is not known any more."""
        key = self._names.pop(uid, None)
        for waiter in self._waiters.get(key, ()) if key is not None else ():
            if waiter.uid == uid:
                waiter.look(None)

    def end(self) -> None:
        """Nobody will look any more: let all go."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.ended.set()

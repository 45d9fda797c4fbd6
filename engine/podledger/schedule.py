"""When each Job is synced next, and the wait for it: requests, timers, retries; never two syncs of a Job at once.

The bookkeeping is `queue.py` and `retry.py`; here are the rules that feed it. Workers take their turn: one of them
waits for the next time, the others wait for that one, so that a request wakes one task and not all.
"""

import anyio

from podledger.ports import Clock
from podledger.queue import DueKeys, RunningKeys
from podledger.retry import Retries
from podledger.sync_together import SyncResult
from podledger.waiting import wait_until

__all__ = ["Schedule"]

# The wall clock and the monotonic one part by this much only when somebody set the wall clock.
SET_THRESHOLD_S = 1.0


class Schedule:
    """`period_s` passes between an observation that is not urgent and the sync it leads to."""

    def __init__(self, clock: Clock, period_s: float) -> None:
        self._clock, self._period_s = clock, period_s
        self._due, self._running, self._retries = DueKeys(), RunningKeys(), Retries()
        self._timers: dict[str, float] = {}
        self._turn = anyio.Lock(fast_acquire=True)
        self._wake = anyio.Event()
        self._apart_s = clock.now() - clock.monotonic()

    def __repr__(self) -> str:
        return f"<Schedule {self._due!r}, {self._running!r}, {self._retries!r}, {len(self._timers)} timers>"

    @property
    def depth(self) -> int:
        """How many Jobs are due, or wait for their time."""
        return len(self._due)

    def touch(self, uid: str, *, at_once: bool) -> None:
        """Something happened to a Job."""
        now = self._clock.now()
        self._ask(uid, now if at_once else now + self._period_s)

    async def take(self, most: int) -> list[str]:
        """Wait until some Jobs are due that no other worker syncs; they run from now on, until `finish`."""
        async with self._turn:
            while True:
                now = self._look_at_clock()
                uids = self._running.start(self._due.take(now, most), now)
                if uids:
                    return uids
                next_at = self._due.next_at()
                if next_at is not None and next_at <= now:
                    continue  # those taken all run: they are due again when they are done
                # Nothing may await between the look above and the wait: what comes from here on sets this very event.
                self._wake = anyio.Event()
                await wait_until(self._clock, self._wake, next_at)

    def finish(self, result: SyncResult) -> None:
        """A Job's sync is over: when is it due again?"""
        job, now = result.job, self._clock.now()
        again = self._running.finish(job)
        if again is not None:
            self._ask(job, again)
        if result.failed:
            self._ask(job, now + self._retries.failed(job))
        else:
            self._retries.succeeded(job)
            if result.left:
                self._ask(job, now + self._period_s)
        self._set_timer(job, result.wake_at, now, keep=result.failed)

    def _set_timer(self, job: str, wake_at: float | None, now: float, *, keep: bool) -> None:
        """A sync that broke off says nothing of timers: the deadline known before it is kept."""
        if wake_at is not None:
            self._ask(job, wake_at)  # one that has passed while the sync was under way too: nobody else asks for it
        elif keep:
            wake_at = self._timers.get(job)
        if wake_at is None or wake_at <= now:
            self._timers.pop(job, None)
        else:
            self._timers[job] = wake_at
            self._ask(job, wake_at)

    def _ask(self, uid: str, at: float) -> None:
        before = self._due.next_at()
        if self._due.add(uid, at) and (before is None or at < before):
            self._wake.set()

    def _look_at_clock(self) -> float:
        """The wall time. When it was set back, retries would wait for as long: then all are due at once."""
        now = self._clock.now()
        apart_s = now - self._clock.monotonic()
        if apart_s < self._apart_s - SET_THRESHOLD_S:
            self._due.hurry(now)
        self._apart_s = apart_s
        return now

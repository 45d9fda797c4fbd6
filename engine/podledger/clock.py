"""Time as a value someone hands out: the machine's clock, and a virtual one that jumps to whatever happens next.

Both are `podledger.ports.Clock`. The real clock's way to notice that the wall clock was set is
`podledger.timerfd`.
"""

import heapq
import math
import sys
import time
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Generator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count

import anyio
import anyio.lowlevel

from podledger.timerfd import sleep_until_wall

__all__ = ["RealClock", "VirtualClock"]

# Where there is no timerfd, a sleeper looks at the clock this often, to notice that it was set.
RECHECK_S = 10.0
# The wall clock and the monotonic one part by this much only when somebody set the wall clock (slewing is slower).
SET_THRESHOLD_S = 1.0
# 2030-01-01T00:00:00Z: a round moment, recognisably not today.
VIRTUAL_START_S = 1_893_456_000.0


class RealClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Wall time, Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that only ever grow, for durations."""
        return time.monotonic()

    async def sleep_until(self, when: float) -> None:
        """Sleep until the wall time is `when` or later; returns early (once) when the wall clock is set.

        On Linux the kernel wakes the sleeper in both cases. Elsewhere it looks every RECHECK_S seconds.
        """
        if when <= time.time():
            await anyio.lowlevel.checkpoint()
        elif sys.platform == "linux":
            await sleep_until_wall(when)
        else:
            await self._sleep_looking(when)

    async def _sleep_looking(self, when: float) -> None:
        apart = time.time() - time.monotonic()
        while (left := when - time.time()) > 0:
            await anyio.sleep(min(left, RECHECK_S))
            if abs(time.time() - time.monotonic() - apart) > SET_THRESHOLD_S:
                return

    def hold(self) -> AbstractContextManager[None]:
        """Nothing to hold: real time goes on."""
        return nullcontext()


class VirtualClock:
    """A clock that stands while anything runs and jumps to the earliest sleeper when nothing does.

    It moves only when no task of the event loop is ready, nothing arrived on its sockets and pipes, and no `hold` is
    active. A call to a thread must be made inside `hold()`, or the clock leaps over it. Sleepers due at the same time
    wake in the order in which they went to sleep.

    The clock serves one event loop at a time, any that is asyncio's own kind: pytest-asyncio's, a notebook's, a seeded
    simulator's. Timers of asyncio itself (`asyncio.sleep`, `anyio.move_on_after`) go on in real time.
    """

    def __init__(self, start: float = VIRTUAL_START_S) -> None:
        self._now = start
        self._monotonic = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, Future[None]]] = []
        self._holds = 0
        self._loop: AbstractEventLoop | None = None
        self._armed = False

    def now(self) -> float:
        """Wall time, Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made; `set_wall` leaves them alone."""
        return self._monotonic

    async def sleep_until(self, when: float) -> None:
        """Sleep until the clock has moved to `when`; returns early (once) when `set_wall` is called.

        Raises RuntimeError on an event loop that is not asyncio's own kind, or while another loop's tasks sleep here.
        """
        if when <= self._now:
            await anyio.lowlevel.checkpoint()
            return
        loop = self._enter(get_running_loop())
        sleeper = (when, next(self._order), loop.create_future())
        heapq.heappush(self._sleepers, sleeper)
        self._arm()
        try:
            await sleeper[2]
        except BaseException:
            # Cancelled. It may have been woken in the same instant, and is then no longer listed.
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
            raise

    @contextmanager
    def hold(self) -> Generator[None]:
        """A scope in which the clock stands, such as a call to a thread. Scopes may overlap."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._arm()

    def set_wall(self, now: float) -> None:
        """Set the wall clock, forward or back, as an administrator would: every sleeper wakes, once."""
        self._now = now
        woken, self._sleepers = sorted(self._sleepers), []
        for _, _, future in woken:
            _wake(future)

    def _enter(self, loop: AbstractEventLoop) -> AbstractEventLoop:
        if loop is not self._loop:
            if self._sleepers and self._loop is not None and not self._loop.is_closed():
                raise RuntimeError("this VirtualClock already serves another event loop; make one clock a loop")
            _ready_queue(loop)
            # Sleepers of a closed loop can never wake; an armed check went with it.
            self._sleepers.clear()
            self._loop, self._armed = loop, False
        return loop

    def _arm(self) -> None:
        """See to it that `_check` runs after whatever is ready now."""
        if self._armed or self._holds or not self._sleepers or self._loop is None or self._loop.is_closed():
            return
        if self._sleepers[0][0] == math.inf:
            return  # They all sleep for ever.
        self._armed = True
        self._loop.call_soon(self._check, False)

    def _check(self, idle_before: bool) -> None:
        """Move the clock if this call was the only thing the loop had to do, twice in a row.

        Between the two the loop looks at its sockets and pipes: a task that was just written to by the last one
        that ran must not be leapt over.
        """
        self._armed = False
        loop = self._loop
        if loop is None or self._holds or not self._sleepers or self._sleepers[0][0] == math.inf:
            return
        idle = not _ready_queue(loop)
        if not (idle and idle_before):
            self._armed = True
            loop.call_soon(self._check, idle)
            return
        self._advance(self._sleepers[0][0])
        self._arm()

    def _advance(self, when: float) -> None:
        self._monotonic += max(0.0, when - self._now)
        self._now = max(self._now, when)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _wake(heapq.heappop(self._sleepers)[2])


def _wake(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _ready_queue(loop: AbstractEventLoop) -> Sized:
    """The handles that are ready to run.

    asyncio has no public way to ask whether a loop is idle, and without one virtual time cannot know when to move.
    `BaseEventLoop._ready` is where every release so far keeps them; other loops (uvloop) have nothing like it.
    """
    ready = getattr(loop, "_ready", None)
    if not isinstance(ready, Sized):
        raise RuntimeError(
            f"VirtualClock needs asyncio's own event loop, not {type(loop).__module__}.{type(loop).__qualname__}; "
            "run under asyncio's default loop, or use RealClock"
        )
    return ready

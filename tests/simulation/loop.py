"""An asyncio event loop for simulation: virtual time, no waiting, and a seeded choice among the tasks that could run.

Everything that happens on it is a function of its seed, so that a failing run is repeated by its seed alone. Each step
takes one of the ready tasks by the seed's draw; callbacks that are no task keep the order in which they were handed in,
as asyncio promises. When nothing is ready, time jumps to the next timer; when there is no timer either, the run is
stuck and says so. Threads, sockets and subprocesses have no place here. Hand it to anyio with `run`.
"""

import asyncio
import hashlib
import random
import selectors
from asyncio import Handle, Task
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from itertools import count
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

import anyio

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["MAX_STEPS", "RanTooLong", "SimulationLoop", "Stuck", "run"]

# A run that takes more steps than this makes no progress any more (a run of 100 pods takes some ten thousand).
MAX_STEPS = 5_000_000

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Stuck(Exception):
    """Nothing can ever run again: every task waits for something that no other task will do."""


class RanTooLong(Exception):
    """The run took more than its bound of steps: it is going in circles."""


class SimulationLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual seconds, from 0, whose order of steps is drawn from `seed`.

    Raises Stuck and RanTooLong out of whatever runs it.
    """

    def __init__(self, seed: int, max_steps: int = MAX_STEPS) -> None:
        self._virtual_s = 0.0
        super().__init__(_TimeSelector(self))
        self.steps = 0
        self._max_steps = max_steps
        self._failed = False
        self._numbers: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._next_number = count(1)
        self._starved: dict[int, int] = {}
        self._taken = 0
        self._schedule = hashlib.sha256()
        self._watchers: list[Callable[[], None]] = []
        # BaseEventLoop keeps what is ready here and takes from the left; there is no public way to choose.
        self._ready: deque[Handle] = _SeededQueue(random.Random(f"schedule {seed}"), self)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_s

    def advance(self, seconds: float) -> None:
        """Let time pass; called when nothing is ready."""
        self._virtual_s += seconds

    @property
    def schedule(self) -> str:
        """A digest of the steps so far: which task ran at which time."""
        return self._schedule.hexdigest()

    def watch_steps(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` before every step. What it raises ends the run."""
        self._watchers.append(watcher)

    def starve(self, steps: int) -> None:
        """Pass over the task that was taken last for so many steps, as long as any other can run."""
        self._starved[self._taken] = self.steps + steps

    def eligible(self, numbers: Sequence[int]) -> Sequence[int]:
        """Those of the tasks that are ready among which to draw."""
        fed = [number for number in numbers if self._starved.get(number, 0) <= self.steps] if self._starved else numbers
        return fed or numbers

    def waiting(self) -> str:
        """The tasks there are, in words, for a run that is stuck."""
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: self._numbers.get(task, 0))
        return "; ".join(f"{task.get_name()} in {_innermost(task)}" for task in tasks) or "no task"

    def create_task(self, coro: Any, **options: Any) -> Task[Any]:
        """As asyncio's; numbers the task, so that the draw does not depend on where it lies in memory."""
        task: Task[Any] = super().create_task(coro, **options)
        self._numbers[task] = next(self._next_number)
        return task

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Refused: what a thread does is no function of the seed."""
        raise RuntimeError(f"{func} would run in a thread; the simulation has none")

    def number_of(self, handle: Handle) -> int:
        # The steps and wake-ups of a task are bound to it, in asyncio's C and Python forms alike.
        task: Task[Any] | None = getattr(getattr(handle, "_callback", None), "__self__", None)
        return self._numbers.get(task, 0) if isinstance(task, Task) else 0

    def took(self, number: int) -> None:
        """A step of this task is about to be taken."""
        if self._failed:
            return  # What is left of the run is being cancelled.
        self._taken = number
        self._failed = True
        self.steps += 1
        if self.steps > self._max_steps:
            raise RanTooLong(f"{self._max_steps} steps in {self._virtual_s:.3f} virtual seconds; {self.waiting()}")
        self._schedule.update(f"{number}@{self._virtual_s:.6f} ".encode())
        for watcher in self._watchers:
            watcher()
        self._failed = False


class _SeededQueue(deque[Handle]):
    """The loop's queue of ready handles: `popleft` draws.

    Drawn is among tasks, in the order of their numbers, and the first of all other callbacks together (number 0): who
    entered the queue first must not matter, since libraries hold tasks in sets, whose order is that of addresses.
    """

    def __init__(self, draw: random.Random, loop: SimulationLoop) -> None:
        super().__init__()
        self._draw, self._loop = draw, loop

    def popleft(self) -> Handle:
        first: dict[int, int] = {}
        for place, handle in enumerate(self):
            first.setdefault(self._loop.number_of(handle), place)
        number = self._draw.choice(self._loop.eligible(sorted(first)))
        self._loop.took(number)
        handle = self[first[number]]
        del self[first[number]]
        return handle


class _TimeSelector(selectors.BaseSelector):
    """Waits by moving the loop's virtual time. The loop registers its own wake-up pipe here and nothing else does."""

    def __init__(self, loop: SimulationLoop) -> None:
        self._loop = loop
        self._keys: dict[FileDescriptorLike, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck(self._loop.waiting())
        self._loop.advance(max(timeout, 0.0))
        return []

    def register(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> "Mapping[FileDescriptorLike, selectors.SelectorKey]":
        return self._keys

    def close(self) -> None:
        self._keys.clear()


def _innermost(task: Task[Any]) -> str:
    """Where a task waits: the innermost coroutine of its own that can be seen."""
    place = "nothing"
    awaited: object = task.get_coro()
    while isinstance(awaited, CoroutineType):
        if awaited.cr_frame is not None:
            place = f"{awaited.__qualname__}:{awaited.cr_frame.f_lineno}"
        awaited = awaited.cr_await
    return place


def run(main: Callable[[SimulationLoop], Awaitable[T]], seed: int, max_steps: int = MAX_STEPS) -> T:
    """Run `main(loop)` under anyio on a fresh loop and return what it returns. Raises Stuck, RanTooLong."""
    loop = SimulationLoop(seed, max_steps)

    async def root() -> T:
        return await main(loop)

    return anyio.run(root, backend="asyncio", backend_options={"loop_factory": lambda: loop})

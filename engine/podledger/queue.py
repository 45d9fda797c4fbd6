"""The work queue, as two worries kept apart: when is a key due, and may it run now.

`DueKeys` remembers the earliest time each key was asked for; `RunningKeys` sees to it that no key runs twice at once
and that one touched while it runs is due again afterwards. Both are plain bookkeeping; who waits is the controller.
"""

import heapq
from collections.abc import Iterable

__all__ = ["DueKeys", "RunningKeys"]

# So many void entries more than keys are let be before the heap is made anew.
STALE_ENTRIES = 64


class DueKeys:
    """When each key is due: repeats collapse to the earliest request. Times are wall time in Unix seconds."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._count = 0  # ties go to whoever asked first

    def __len__(self) -> int:
        return len(self._due)

    def __repr__(self) -> str:
        void = len(self._heap) - len(self._due)
        return f"<DueKeys {len(self._due)} due, {void} entries void, next at {self.next_at()}>"

    def add(self, key: str, at: float) -> bool:
        """Ask for a key at a time; whether that is now its time (False: it was due as early already)."""
        known = self._due.get(key)
        if known is not None and known <= at:
            return False
        self._due[key] = at
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 2 * len(self._due) + STALE_ENTRIES:
            self._compact()
        return True

    def hurry(self, now: float) -> None:
        """Make everything due now, in the order in which it would have been."""
        keys = [key for _, key in sorted((at, key) for key, at in self._due.items() if at > now)]
        for key in keys:
            self.add(key, now)

    def next_at(self) -> float | None:
        """When the earliest key is due; None if there is none."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._due.get(key) == at:
                return at
            heapq.heappop(self._heap)  # asked for earlier since then, and perhaps taken
        return None

    def _compact(self) -> None:
        """Drop entries that are void: a far timer that is set again with every sync leaves one each time."""
        kept: dict[str, tuple[float, int, str]] = {}
        for entry in sorted(self._heap):
            if self._due.get(entry[2]) == entry[0]:
                kept.setdefault(entry[2], entry)
        self._heap = list(kept.values())  # sorted, so a heap

    def take(self, now: float, most: int) -> list[str]:
        """Take up to `most` keys that are due, earliest first."""
        taken: list[str] = []
        while len(taken) < most and (at := self.next_at()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            taken.append(key)
        return taken


class RunningKeys:
    """Which keys run. A key that is busy is kept back, not its neighbours."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._again: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __repr__(self) -> str:
        return f"<RunningKeys {len(self._running)} running, {len(self._again)} again>"

    def start(self, keys: Iterable[str], at: float) -> list[str]:
        """Start those of the keys that do not run; the others are due again, at `at`, when they are done."""
        started: list[str] = []
        for key in keys:
            if key in self._running:
                self._again[key] = min(at, self._again.get(key, at))
            else:
                self._running.add(key)
                started.append(key)
        return started

    def finish(self, key: str) -> float | None:
        """The key has run; when it was asked for meanwhile, or None."""
        self._running.discard(key)
        return self._again.pop(key, None)

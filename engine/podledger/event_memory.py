"""Which Kubernetes Events a log has, and at which count: so that seeing one again is no event.

An API server keeps an Event for an hour after its last write, and that it goes is no event of the log. So what is
remembered goes by time, in two generations, and is a function of the log alone: a restart remembers what the process
before it did. Part of `projection.py`; whose an Event is, is `event_homes.py`.
"""

from typing import Final

from msgspec import Struct

from podledger.job.event_content import EventContent

__all__ = ["EVENT_LIFE_S", "EventMemory"]

EVENT_LIFE_S: Final = 3600.0
"""How long API servers keep an Event after its last write, unless they are told otherwise (--event-ttl)."""

GENERATION_S: Final = EVENT_LIFE_S + 600.0
"""How long Events are added to one generation, with room for clocks that disagree; the one before is kept as long."""


class EventMemory(Struct, array_like=True):
    """The counts of Events by the uid of their Job or CronJob and their own. Its stored form is part of snapshots.

    `since_s` is when the young generation began, by the recorder's clock. `young_s` and `old_s` are the creation times
    of the newest Event of each, and `forgotten_s` of those that went: a server that keeps Events for longer may still
    show them, and whatever was not written since then is not taken for news.
    """

    since_s: float = 0.0
    young: dict[str, dict[str, int]] = {}
    old: dict[str, dict[str, int]] = {}
    young_s: int = 0
    old_s: int = 0
    forgotten_s: int = 0

    def __len__(self) -> int:
        """How many Events are remembered; one that was counted on in both generations counts twice."""
        return sum(len(events) for generation in (self.young, self.old) for events in generation.values())

    def knows(self, owner: str, content: EventContent) -> bool:
        """Whether the log has this Event of a Job or CronJob, at this count or a higher one."""
        for generation in (self.young, self.old):
            count = generation.get(owner, {}).get(content.uid)
            if count is not None:
                return content.count <= count
        return max(content.created_s, int(content.last_s)) <= self.forgotten_s

    def remember(self, owner: str, content: EventContent, seen_s: float) -> None:
        """The log has this Event, seen at this time."""
        if seen_s - self.since_s >= GENERATION_S:
            self._begin_generation(seen_s)
        self.young.setdefault(owner, {})[content.uid] = content.count
        self.young_s = max(self.young_s, content.created_s)

    def forget(self, owner: str) -> None:
        """The Job or CronJob is gone, and what was told about it is of no interest any more."""
        self.young.pop(owner, None)
        self.old.pop(owner, None)

    def _begin_generation(self, now_s: float) -> None:
        skipped = now_s - self.since_s >= 2 * GENERATION_S  # then the young one is old enough to go as well
        self.forgotten_s = max(self.forgotten_s, self.old_s, self.young_s if skipped else 0)
        self.old, self.old_s = ({}, 0) if skipped else (self.young, self.young_s)
        self.since_s = now_s if skipped else self.since_s + GENERATION_S
        self.young, self.young_s = {}, 0

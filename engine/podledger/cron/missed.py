"""Which time of a schedule is to be run now, and when to look again.

Kubernetes does not walk through all times that were missed: it estimates their number from the first gap and looks for
the latest one near there. With irregular schedules the estimate may overshoot; then nothing is due until the next time.
"""

import math
from datetime import tzinfo

from msgspec import Struct

from podledger.api.cron_schedule import CronSchedule
from podledger.cron.schedule import next_time

__all__ = ["MANY", "REQUEUE_S", "Latest", "NeverFires", "Span", "latest_time", "sync_again_at", "times_between"]

MANY = 100
"""More missed times than this are called many."""
REQUEUE_S = 0.1
"""A sync is asked for this long after a time is due."""


class NeverFires(ValueError):
    """The schedule has no two times to come; the message is Kubernetes' own."""

    def __init__(self) -> None:
        super().__init__("time difference between two schedules is less than 1 second")


class Latest(Struct, frozen=True):
    """The latest time that is due (None: none is), after `earliest`, and how many there were by the estimate."""

    earliest: float
    time: int | None
    estimate: int

    @property
    def many(self) -> bool:
        """Whether so many were missed that users are warned."""
        return self.estimate > MANY


def latest_time(schedule: CronSchedule, zone: tzinfo, *, earliest: float, now: float) -> Latest:
    """The latest time after `earliest` that is not after `now`. Raises NeverFires."""
    first = next_time(schedule, earliest, zone)
    if first is None:
        raise NeverFires
    if now < first:
        return Latest(earliest, None, 0)
    second = next_time(schedule, first, zone)
    if second is None:
        raise NeverFires
    if now < second:
        return Latest(earliest, first, 1)
    gap = second - first
    estimate = math.floor((now - first) / gap) + 1
    found = None
    time = next_time(schedule, first + (estimate - 2) * gap, zone)
    while time is not None and time <= now:
        found, time = time, next_time(schedule, time, zone)
    return Latest(earliest, found, estimate)


def sync_again_at(schedule: CronSchedule, zone: tzinfo, *, earliest: float, now: float) -> float | None:
    """When to sync next if nothing else happens; `earliest` leaves startingDeadlineSeconds out of account."""
    try:
        latest = latest_time(schedule, zone, earliest=earliest, now=now)
    except NeverFires:
        base = now
    else:
        nothing = now if latest.estimate else earliest
        base = nothing if latest.time is None else float(latest.time)
    time = next_time(schedule, base, zone)
    return None if time is None else time + REQUEUE_S


class Span(Struct, frozen=True):
    """Times of a schedule within a span: the first, how many, and whether that is an estimate."""

    first: int
    count: int
    estimated: bool


def times_between(schedule: CronSchedule, zone: tzinfo, after: float, before: float) -> Span | None:
    """The times after one moment and before another; None if there are none. More than MANY are estimated."""
    first = next_time(schedule, after, zone)
    if first is None or first >= before:
        return None
    count, time = 1, first
    while count <= MANY:
        following = next_time(schedule, time, zone)
        if following is None or following >= before:
            return Span(first, count, False)
        count, time = count + 1, following
    gap = (time - first) / (count - 1)
    return Span(first, math.ceil((before - first) / gap), True)

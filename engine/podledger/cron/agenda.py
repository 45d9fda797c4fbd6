"""The next times of a schedule for people: what the clocks show, and where a change of the clocks plays a trick.

What runs when is `schedule.py`; here it is compared with what the fields alone would promise, read off a clock that
never changes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from podledger.api.cron_schedule import CronFields, CronSchedule
from podledger.cron.schedule import next_time

__all__ = ["Entry", "next_entries"]

HOURS = 24
SECOND = timedelta(seconds=1)
MOST_LOST = 1000
"""Lost times that are counted at once."""


class Entry(Struct, frozen=True):
    """A time of the schedule, or one that is lost. `local` is what the zone's clocks show, without their zone.

    `at` is Unix seconds, None for times that are lost: `lost` of them, the first at `local`. `note` says what is odd.
    """

    local: datetime
    at: int | None
    note: str = ""
    lost: int = 0


def next_entries(schedule: CronSchedule, after: float, zone: tzinfo, count: int) -> Iterator[Entry]:
    """The next `count` times of a schedule after a moment, and between them those that are lost."""
    promised = _wall(after, zone)
    at: float = after
    for _ in range(count):
        found = next_time(schedule, at, zone)
        if found is None:
            return
        at, local, note = found, _wall(found, zone), ""
        if isinstance(schedule, CronFields):
            lost = _promised(schedule, promised, local)
            if lost and len(schedule.hours) < HOURS:
                yield Entry(lost[0], None, _why_lost(lost[0], zone), len(lost))
            if not _promised(schedule, local - SECOND, local + SECOND):
                note = "beside the schedule: clocks change within the hour that was searched"
            elif datetime.fromtimestamp(found, zone).fold:
                note = "again: clocks go back, this time comes twice"
        yield Entry(local, found, note)
        promised = max(promised, local)


def _promised(schedule: CronFields, after: datetime, before: datetime) -> list[datetime]:
    """The times that the fields promise between two, on a clock that never changes."""
    found: list[datetime] = []
    end = before.replace(tzinfo=UTC).timestamp()
    at = next_time(schedule, after.replace(tzinfo=UTC).timestamp(), UTC)
    while at is not None and at < end and len(found) < MOST_LOST:
        found.append(_wall(at, UTC))
        at = next_time(schedule, at, UTC)
    return found


def _why_lost(local: datetime, zone: tzinfo) -> str:
    if _exists(local, zone):
        return "lost: clocks change that day, and the search for the next time passes over it"
    return "lost: clocks go forward, this time does not exist"


def _exists(local: datetime, zone: tzinfo) -> bool:
    """Whether the zone's clocks ever show this."""
    return _wall(local.replace(tzinfo=zone).timestamp(), zone) == local


def _wall(at: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)

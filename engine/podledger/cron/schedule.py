"""The times of a schedule, one after the other, across changes of the clock exactly as Kubernetes finds them.

The search goes through months, days, hours and minutes in the schedule's zone. Months and days are steps on the
calendar, hours and minutes are steps of real time, and a field that has matched is not looked at again until a larger
one rolls over. From this follows what happens on days when clocks change: a run in the
hour that is skipped is lost that day, one in the hour that is repeated happens twice.

What was asked for is `podledger.api.cron_schedule`.
"""

import math
from datetime import UTC, datetime, timedelta, tzinfo

from podledger.api.cron_schedule import CronFields, CronSchedule, EveryInterval

__all__ = ["next_time"]

YEARS = 5
"""How far ahead a run is looked for; a schedule without one within that time never fires."""
MINUTE_S, HOUR_S = 60, 3600
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # wall time without a zone
LAST_S = 253_402_300_799 - 366 * 86_400
"""A year before the last second that Python's calendar knows; nothing is looked for beyond it."""


def next_time(schedule: CronSchedule, after: float, zone: tzinfo = UTC) -> int | None:
    """The first time of the schedule after a moment (both Unix seconds); None if it has none within five years.

    `zone` is where the fields are read, unless the schedule names a zone itself; `@every` counts from `after`.
    """
    if isinstance(schedule, EveryInterval):
        return math.floor(after) + schedule.seconds
    if not (schedule.minutes and schedule.hours and schedule.months and (schedule.days or schedule.weekdays)):
        return None  # an empty list such as "," matches nothing
    return _Search(schedule, zone).first(math.floor(after) + 1)


class _Search:
    """One search. `at` is where it stands in Unix seconds, `wall` the same on the clocks of the zone.

    `trimmed`: what is smaller than the field at hand was set back to its beginning already.
    """

    __slots__ = ("at", "schedule", "trimmed", "wall", "zone")

    def __init__(self, schedule: CronFields, zone: tzinfo) -> None:
        self.schedule, self.zone = schedule, zone
        self.at, self.wall, self.trimmed = 0, EPOCH, False

    def first(self, at: int) -> int | None:
        """The first match that is not before `at`."""
        if at > LAST_S:
            return None
        self._move(at)
        last_year = self.wall.year + YEARS
        while self.wall.year <= last_year and self.at <= LAST_S:
            if self._month() and self._day() and self._hour() and self._minute() and self._second():
                return self.at
        return None

    # ---- one field each: True once it matches, False when a larger field rolled over --------------------------------

    def _month(self) -> bool:
        months = self.schedule.months
        while self.wall.month not in months:
            self._trim(self.wall.replace(day=1, hour=0, minute=0, second=0))
            wall = self.wall
            # As a calendar adds a month: a day that the next month lacks runs over into the one after it.
            first = wall.replace(year=wall.year + wall.month // 12, month=wall.month % 12 + 1, day=1)
            self._move(self._instant(first + timedelta(days=wall.day - 1)))
            if self.wall.month == 1:
                return False
        return True

    def _day(self) -> bool:
        while not self.schedule.matches_day(self.wall.day, self.wall.isoweekday() % 7):
            self._trim(self.wall.replace(hour=0, minute=0, second=0))
            before = self.at
            self._move(self._instant(self.wall + timedelta(days=1)))
            if self.at <= before:
                # A whole day is skipped (Apia, 30 December 2011). Kubernetes' search never ends here; ours goes on.
                self._move(before + 24 * HOUR_S)
            # Where midnight is skipped (or comes twice) the step may have ended an hour beside it.
            hour = self.wall.hour
            if hour > 12:
                self._move(self.at + (24 - hour) * HOUR_S)
            elif hour:
                self._move(self.at - hour * HOUR_S)
            if self.wall.day == 1:
                return False
        return True

    def _hour(self) -> bool:
        hours = self.schedule.hours
        while self.wall.hour not in hours:
            self._trim(self.wall.replace(minute=0, second=0))
            self._move(self.at + HOUR_S)
            if self.wall.hour == 0:
                return False
        return True

    def _minute(self) -> bool:
        minutes = self.schedule.minutes
        while (minute := self.wall.minute) not in minutes:
            if not self.trimmed:
                self.trimmed = True
                self._move(self.at - self.at % MINUTE_S)
            ahead = min((one - minute for one in minutes if one > minute), default=60 - minute)
            before = self.wall
            self._move(self.at + ahead * MINUTE_S)
            if self.wall - before != timedelta(minutes=ahead):
                # The clocks change within this hour: minute by minute, since any of them may match then.
                self._move(self.at - (ahead - 1) * MINUTE_S)
            if self.wall.minute == 0:
                return False
        return True

    def _second(self) -> bool:
        """Runs are due at second 0."""
        while self.wall.second:
            self.trimmed = True
            self._move(self.at + 60 - self.wall.second)
            if self.wall.second == 0:
                return False
        return True

    # ---- the zone's clocks ------------------------------------------------------------------------------------------

    def _move(self, at: int) -> None:
        self.at = at
        self.wall = datetime.fromtimestamp(at, self.zone).replace(tzinfo=None)

    def _trim(self, wall: datetime) -> None:
        if not self.trimmed:
            self.trimmed = True
            self._move(self._instant(wall))

    def _instant(self, wall: datetime) -> int:
        """When the clocks of the zone show this: of two such moments, or of none, the one Kubernetes takes."""
        local = round((wall - EPOCH).total_seconds())
        return local - self._offset(local - self._offset(local))

    def _offset(self, at: int) -> int:
        """Seconds by which the zone's clocks are ahead of UTC at a moment."""
        shown = datetime.fromtimestamp(at, self.zone).utcoffset()
        return round(shown.total_seconds()) if shown is not None else 0

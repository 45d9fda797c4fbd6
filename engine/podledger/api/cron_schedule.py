"""spec.schedule of a CronJob: five fields of cron's notation or one @descriptor, read as Kubernetes reads them.

Only the notation: whether a text is a schedule, and what it asks for. When it falls due is `podledger.cron.schedule`.
The messages are those of the parser Kubernetes uses.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from podledger.api.field_error import go_quote
from podledger.api.go_duration import SECOND_NS, InvalidDuration, parse_duration
from podledger.api.time_zone import UnknownTimeZone, find_time_zone

__all__ = ["CronFields", "CronSchedule", "EveryInterval", "InvalidSchedule", "parse_schedule"]

INT_LIMIT: Final = 2**63
INT_DIGITS: Final = 20
"""More digits (leading zeros apart) than any integer of Go's has."""


class InvalidSchedule(ValueError):
    """A text that is no schedule; the message is Kubernetes' own."""


class CronFields(Struct, frozen=True):
    """The five fields, each as the set of its values; a day must match as `matches_day` says.

    `any_day` tells that day of month or day of week was given as a star. `time_zone` is the one that the schedule
    itself names (`TZ=Zone `, which new CronJobs may not have), None where it names none.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    time_zone: str | None = None

    def matches_day(self, day: int, weekday: int) -> bool:
        """Whether a day matches (weekday 0 is Sunday): with a star both fields must hold, without one either will."""
        if self.any_day:
            return day in self.days and weekday in self.weekdays
        return day in self.days or weekday in self.weekdays


class EveryInterval(Struct, frozen=True):
    """`@every`: again and again after so many whole seconds, at least one; no clock and no time zone matters."""

    seconds: int


CronSchedule = CronFields | EveryInterval


class Bounds(Struct, frozen=True):
    """The range of a field, and the names its values may be given by."""

    lowest: int
    highest: int
    names: Mapping[str, int] = {}


def named(names: str, first: int) -> dict[str, int]:
    """Names for consecutive values."""
    return {name: number for number, name in enumerate(names.split(), first)}


MINUTES: Final = Bounds(0, 59)
HOURS: Final = Bounds(0, 23)
DAYS: Final = Bounds(1, 31)
MONTHS: Final = Bounds(1, 12, named("jan feb mar apr may jun jul aug sep oct nov dec", 1))
WEEKDAYS: Final = Bounds(0, 6, named("sun mon tue wed thu fri sat", 0))
FIELDS: Final = (MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS)
DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EVERY: Final = "@every "
ZONE_PREFIXES: Final = ("TZ=", "CRON_TZ=")


@lru_cache(maxsize=4096)
def parse_schedule(text: str) -> CronSchedule:
    """The schedule in a text. Raises InvalidSchedule."""
    if not text:
        raise InvalidSchedule("empty spec string")
    rest, zone = text, None
    if text.startswith(ZONE_PREFIXES):
        zone, rest = split_zone(text)
    if rest.startswith(EVERY):
        return parse_every(rest)
    if rest.startswith("@"):
        if rest not in DESCRIPTORS:
            raise InvalidSchedule(f"unrecognized descriptor: {rest}")
        rest = DESCRIPTORS[rest]
    words = rest.split()
    if len(words) != len(FIELDS):
        raise InvalidSchedule(f"expected exactly {len(FIELDS)} fields, found {len(words)}: [{' '.join(words)}]")
    parsed = [parse_field(word, bounds) for word, bounds in zip(words, FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (values for values, _ in parsed)
    return CronFields(minutes, hours, days, months, weekdays, any_day=parsed[2][1] or parsed[4][1], time_zone=zone)


def split_zone(text: str) -> tuple[str, str]:
    """The zone a schedule names, and the schedule itself."""
    words, space, rest = text.partition(" ")
    if not space:
        # Kubernetes passes on what its parser's crash says.
        raise InvalidSchedule("invalid schedule format: runtime error: slice bounds out of range [:-1]")
    zone = words.partition("=")[2]
    try:
        find_time_zone(zone)
    except UnknownTimeZone as error:
        raise InvalidSchedule(f"provided bad location {zone}: {error}") from None
    return zone, rest.strip()


def parse_every(text: str) -> EveryInterval:
    """`@every 1h30m`."""
    try:
        interval_ns = parse_duration(text.removeprefix(EVERY))
    except InvalidDuration as error:
        raise InvalidSchedule(f"failed to parse duration {text}: {error}") from None
    return EveryInterval(max(interval_ns // SECOND_NS, 1))


def parse_field(text: str, bounds: Bounds) -> tuple[frozenset[int], bool]:
    """The values of a field, and whether it was given as a star."""
    values: frozenset[int] = frozenset()
    star = False
    for part in filter(None, text.split(",")):
        found, is_star = parse_range(part, bounds)
        values |= found
        star |= is_star
    return values, star


def parse_range(text: str, bounds: Bounds) -> tuple[frozenset[int], bool]:
    """One element of a field's list: `*`, `N` or `A-B`, each with or without `/step`."""
    base, *steps = text.split("/")
    ends = base.split("-")
    star = ends[0] in ("*", "?")
    if star:
        first, last = bounds.lowest, bounds.highest
    else:
        first = last = parse_value(ends[0], bounds)
        if len(ends) == 2:
            last = parse_value(ends[1], bounds)
        elif len(ends) > 2:
            raise InvalidSchedule(f"too many hyphens: {text}")
    step = 1
    if len(steps) == 1:
        step = parse_integer(steps[0])
        if len(ends) == 1:
            last = bounds.highest
        star = star and step <= 1
    elif steps:
        raise InvalidSchedule(f"too many slashes: {text}")
    if first < bounds.lowest:
        raise InvalidSchedule(f"beginning of range ({first}) below minimum ({bounds.lowest}): {text}")
    if last > bounds.highest:
        raise InvalidSchedule(f"end of range ({last}) above maximum ({bounds.highest}): {text}")
    if first > last:
        raise InvalidSchedule(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    if step == 0:
        raise InvalidSchedule(f"step of range should be a positive number: {text}")
    return frozenset(range(first, last + 1, step)), star


def parse_value(text: str, bounds: Bounds) -> int:
    """A number or a name."""
    known = bounds.names.get(text.lower())
    return parse_integer(text) if known is None else known


def parse_integer(text: str) -> int:
    """An integer as Go reads it, not below zero."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise InvalidSchedule(
            f"failed to parse int from {text}: strconv.Atoi: parsing {go_quote(text)}: invalid syntax"
        )
    number = int(text) if len(text.lstrip("+-0")) < INT_DIGITS else INT_LIMIT
    if not -INT_LIMIT <= number < INT_LIMIT:
        quoted = go_quote(text)
        raise InvalidSchedule(f"failed to parse int from {text}: strconv.Atoi: parsing {quoted}: value out of range")
    if number < 0:
        raise InvalidSchedule(f"negative number ({number}) not allowed: {text}")
    return number

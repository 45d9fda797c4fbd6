"""Durations as Go writes them (`1h30m`, `1.5s`), for `@every` in a CronJob's schedule. The messages are Go's."""

import re
from typing import Final

from podledger.api.field_error import go_quote

__all__ = ["SECOND_NS", "InvalidDuration", "parse_duration"]

SECOND_NS: Final = 1_000_000_000

UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
MAX_NS: Final = 2**63 - 1
MAX_DIGITS: Final = 19
"""More digits than MAX_NS has make a number too large, and a fraction of a nanosecond is dropped."""
PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^.0-9]*)")


class InvalidDuration(ValueError):
    """A text that is no duration; the message is Go's own."""


def parse_duration(text: str) -> int:
    """The duration in nanoseconds, which may be negative. Raises InvalidDuration."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise InvalidDuration(f"time: invalid duration {go_quote(text)}")
    total = 0
    while rest:
        part = PART.match(rest)
        assert part is not None, "every group may be empty"
        whole, fraction, unit = part.group(1), part.group(2) or "", part.group(3)
        if not (whole or fraction):
            raise InvalidDuration(f"time: invalid duration {go_quote(text)}")
        if not unit:
            raise InvalidDuration(f"time: missing unit in duration {go_quote(text)}")
        if unit not in UNITS_NS:
            raise InvalidDuration(f"time: unknown unit {go_quote(unit)} in duration {go_quote(text)}")
        if len(whole.lstrip("0")) > MAX_DIGITS:
            raise InvalidDuration(f"time: invalid duration {go_quote(text)}")
        total += int(whole or "0") * UNITS_NS[unit]
        fraction = fraction[:MAX_DIGITS]
        if fraction:
            total += int(fraction) * UNITS_NS[unit] // 10 ** len(fraction)
        if total > MAX_NS:
            raise InvalidDuration(f"time: invalid duration {go_quote(text)}")
        rest = rest[part.end() :]
    return -total if text[0] == "-" else total

"""Time zones by their IANA names, from the time zone data of this machine (`zoneinfo`), read once a zone.

Besides `fields`, this is the one place of the pure half that reads anything. That data changes with the decisions of
governments, so that a machine with other data may come to other times; on one machine it stays as it was read.
"""

from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["UnknownTimeZone", "find_time_zone"]


NO_DATA = "this machine has no time zone data: install its package tzdata, or pip install 'podledger[tzdata]'"


class UnknownTimeZone(ValueError):
    """No time zone has this name; the message is Go's own, where there is no data at all with what to do about it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown time zone {name}" + ("" if _has_data() else f" ({NO_DATA})"))


@lru_cache(maxsize=1024)
def find_time_zone(name: str) -> tzinfo:
    """The zone of this name; "" is UTC, as is `Local`: a controller's own zone is UTC here, wherever it runs.

    Raises UnknownTimeZone, also where the machine has no time zone data.
    """
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; no relative path; the name of a folder of zones
        raise UnknownTimeZone(name) from None


def _has_data() -> bool:
    """Whether there is any: all of it has a zone UTC."""
    try:
        ZoneInfo.no_cache("UTC")
    except KeyError:
        return False
    return True

"""Time zones by their IANA names, from the time zone data of this machine (`zoneinfo`), read once a zone.

Besides `fields`, this is the one place of the pure half that reads anything. That data changes with the decisions of
governments, so that a machine with other data may come to other times; on one machine it stays as it was read.
"""

from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["UnknownTimeZone", "find_time_zone"]


class UnknownTimeZone(ValueError):
    """No time zone has this name; the message is Go's own."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown time zone {name}")


@lru_cache(maxsize=1024)
def find_time_zone(name: str) -> tzinfo:
    """The zone of this name; "" is UTC, as is `Local`: a controller's own zone is UTC here, wherever it runs.

    Raises UnknownTimeZone, also where the machine has no time zone data at all (then install the package tzdata).
    """
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; no relative path; the name of a folder of zones
        raise UnknownTimeZone(name) from None

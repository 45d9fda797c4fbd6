"""Kubernetes times are whole seconds; events and state hold them as integers, the API types as datetimes."""

from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["from_seconds", "to_seconds"]


@lru_cache(maxsize=1024)
def from_seconds(seconds: int) -> datetime:
    """The instant of a Unix time; one object a second, since many pods share it."""
    return datetime.fromtimestamp(seconds, UTC)


def to_seconds(at: datetime | None) -> int:
    """The Unix time of an instant, cut to whole seconds; 0 for none."""
    return 0 if at is None else int(at.timestamp())

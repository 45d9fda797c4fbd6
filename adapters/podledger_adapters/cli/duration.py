"""Durations on the command line, as Go and Kubernetes write them: 10s, 1m30s, 250ms."""

from podledger.api.go_duration import InvalidDuration, parse_duration
from podledger.errors import InputError

__all__ = ["duration_s"]


def duration_s(flag: str, text: str, *, least: float = 0.0) -> float:
    """The seconds in `text`. Raises InputError, which names the flag."""
    try:
        seconds = parse_duration(text) / 1e9
    except InvalidDuration as error:
        raise InputError(f"{flag} {text}: {error}; write a duration such as 10s, 1m30s or 250ms") from error
    if seconds < least:
        raise InputError(f"{flag} {text}: must be {least:g}s or more")
    return seconds

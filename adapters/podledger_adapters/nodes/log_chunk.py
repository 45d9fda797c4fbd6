"""Logs with times: what a container wrote in one go, and when."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

__all__ = ["LogChunk", "TimedLogs"]


class LogChunk(Struct, frozen=True):
    """`time_ns` is Unix time in nanoseconds."""

    time_ns: int
    data: bytes


@runtime_checkable
class TimedLogs(Protocol):
    """What a node may offer beyond the port: the logs of each run of a container, with the times of the writes."""

    def timed_logs(
        self, uid: str, container: str, *, follow: bool = False, previous: bool = False, attempt: int | None = None
    ) -> AsyncGenerator[Sequence[LogChunk]]:
        """What the run with restartCount `attempt` wrote, in batches; an empty one says that all there is was read.

        Raises KeyError for a pod, container or run there is none of.
        """
        ...

"""What a container wrote in one go, and when."""

from msgspec import Struct

__all__ = ["LogChunk"]


class LogChunk(Struct, frozen=True):
    """`time_ns` is Unix time in nanoseconds."""

    time_ns: int
    data: bytes

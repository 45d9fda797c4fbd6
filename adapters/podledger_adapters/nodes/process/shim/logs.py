"""What a container writes, into files that rotate: ATTEMPT.log, ATTEMPT.1.log, ATTEMPT.2.log and so on.

No file is renamed, so that a reader follows by going on to the next number. Beside each lies when what was written:
ATTEMPT.times, with an entry (offset in the file, Unix time in nanoseconds) for each write. The bounds are a kubelet's
defaults (containerLogMaxSize 10Mi, containerLogMaxFiles 5); of earlier attempts only the last is kept, as there too.
"""

import contextlib
import os
import re
import struct
import time

from .record import poke

__all__ = [
    "FOLLOW_NAME",
    "MAX_FILES",
    "MAX_FILE_SIZE",
    "TAIL_BYTES",
    "TAIL_LINES",
    "TIMES_ENTRY",
    "LogWriter",
    "segment_name",
    "segments",
    "times_name",
]

MAX_FILE_SIZE = 10 * 1024 * 1024
"""Bytes after which the next file begins."""
MAX_FILES = 5
"""Files kept of one attempt."""
TAIL_BYTES, TAIL_LINES = 2048, 80
"""How much of a log becomes the message of a failed container that asked for it: a kubelet's numbers."""
FOLLOW_NAME = "follow"
"""A FIFO in the log's directory while somebody follows it: told of each write, and of each change of the record."""

TIMES_ENTRY = struct.Struct("<QQ")
"""Of each write: where in the file it begins, and the Unix time in nanoseconds."""

TIMES_SPARE = 64 * 1024
"""How many bytes the times of a file may take more than the file itself."""

_SEGMENT = re.compile(r"(\d+)(?:\.(\d+))?\.log")


def segment_name(attempt: int, number: int) -> str:
    """The name of the attempt's file with this number, from 0."""
    return f"{attempt}.log" if number == 0 else f"{attempt}.{number}.log"


def times_name(attempt: int, number: int) -> str:
    """The name of the file that says when what in the segment was written."""
    return f"{attempt}.times" if number == 0 else f"{attempt}.{number}.times"


def segments(directory: str) -> dict[int, list[int]]:
    """The numbers of the files there are, ascending, by attempt. Empty if the directory is missing."""
    found: dict[int, list[int]] = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):  # noqa: PTH208
            if match := _SEGMENT.fullmatch(name):
                found.setdefault(int(match[1]), []).append(int(match[2] or 0))
    return {attempt: sorted(numbers) for attempt, numbers in sorted(found.items())}


class LogWriter:
    """Writes one attempt's log. What cannot be written (disk full) is dropped: a container never waits for its log."""

    def __init__(self, directory: str, attempt: int) -> None:
        self._directory, self._attempt = directory, attempt
        self._number = self._size = self._written = self._noted = 0
        self._fd = self._times_fd = -1
        os.makedirs(directory, 0o700, exist_ok=True)  # noqa: PTH103
        for old in segments(directory):
            if old < attempt - 1:
                self._remove(old)
        self._open()

    def _open(self) -> None:
        self.close()
        path = f"{self._directory}/{segment_name(self._attempt, self._number)}"
        with contextlib.suppress(OSError):
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        path = f"{self._directory}/{times_name(self._attempt, self._number)}"
        with contextlib.suppress(OSError):
            self._times_fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _remove(self, attempt: int, keep: int = 0) -> None:
        numbers = segments(self._directory).get(attempt, [])
        for number in numbers[: max(0, len(numbers) - keep)]:
            for name in (segment_name(attempt, number), times_name(attempt, number)):
                with contextlib.suppress(OSError):
                    os.unlink(f"{self._directory}/{name}")  # noqa: PTH108

    def write(self, data: bytes) -> None:
        """Append, beginning the next file where this one is full."""
        while data:
            if self._size >= MAX_FILE_SIZE:
                self._number, self._size, self._written, self._noted = self._number + 1, 0, 0, 0
                self._open()
                self._remove(self._attempt, keep=MAX_FILES)
            part = data[: MAX_FILE_SIZE - self._size]
            data = data[len(part) :]
            self._size += len(part)
            self._note_time()
            with contextlib.suppress(OSError):
                self._written += os.write(self._fd, part)
        poke(f"{self._directory}/{FOLLOW_NAME}", "")

    def _note_time(self) -> None:
        """Say when the write that follows was made: before it, so that whoever reads it finds its time."""
        # Many small writes share a time, lest their times take more room than what was written.
        if self._noted * TIMES_ENTRY.size <= self._written + TIMES_SPARE:
            self._noted += 1
            with contextlib.suppress(OSError):
                os.write(self._times_fd, TIMES_ENTRY.pack(self._written, time.time_ns()))

    def close(self) -> None:
        """Close the files. Idempotent."""
        for fd in (self._fd, self._times_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._times_fd = -1

    def tail(self) -> str:
        """The end of what was written, within TAIL_BYTES and TAIL_LINES."""
        data = b""
        with contextlib.suppress(OSError):
            for number in range(max(0, self._number - 1), self._number + 1):
                path = f"{self._directory}/{segment_name(self._attempt, number)}"
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.lseek(fd, max(0, os.fstat(fd).st_size - TAIL_BYTES), os.SEEK_SET)
                    data += os.read(fd, TAIL_BYTES)
                finally:
                    os.close(fd)
        lines = data[-TAIL_BYTES:].decode(errors="replace").splitlines(keepends=True)
        return "".join(lines[-TAIL_LINES:])

"""How a run's output reaches a pipe or a file: bytes as they are, notes as lines. `live.py` does the terminal.

A reader that went away (`| head`) ends the output, not the Jobs: the rest is dropped, and said once on stderr.
"""

import errno
import os
import sys
import time
from collections.abc import Sequence
from typing import BinaryIO

from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.progress import JobProgress, PlainProgress

__all__ = ["LineWriter", "print_result", "write_all"]


class LineWriter:
    """Logs to one stream, notes and occasional progress to another."""

    def __init__(self, logs: BinaryIO, notes: BinaryIO) -> None:
        self._logs: BinaryIO | None = logs
        self._notes: BinaryIO | None = notes
        self._progress = PlainProgress()

    def logs(self, data: bytes) -> None:
        """Write whole lines as they are."""
        if self._logs is None:
            return
        refused = write_all(self._logs, data)
        if refused is not None:
            self._logs = None
            self.note(f"warning: the pods' output cannot be written ({refused}); the Jobs go on without it")

    def note(self, text: str) -> None:
        """Write one line."""
        if self._notes is not None and write_all(self._notes, f"{text}\n".encode(errors="replace")) is not None:
            self._notes = None

    def progress(self, jobs: Sequence[JobProgress]) -> None:
        """Write what is worth a line."""
        for line in self._progress.lines(jobs, time.monotonic()):
            self.note(line)

    def close(self) -> None:
        """Nothing is left behind in a pipe."""


def print_result(text: str, code: ExitCode) -> ExitCode:
    """Write a command's result to stdout; the exit code, which is another than `code` where that was not possible.

    A reader that went away (`| head`) has what it wanted.
    """
    refused = write_all(sys.stdout.buffer, text.encode(errors="replace"))
    if refused is None or refused == os.strerror(errno.EPIPE):
        return code
    print(f"error: the result cannot be written to stdout: {refused}", file=sys.stderr)
    return ExitCode.UNREACHABLE if code == ExitCode.OK else code


def write_all(stream: BinaryIO, data: bytes) -> str | None:
    """Write and flush; why not, where the other end is gone or the disk behind it is full."""
    try:
        stream.write(data)
        stream.flush()
    except (OSError, ValueError) as error:
        _disconnect(stream)
        return (error.strerror if isinstance(error, OSError) else None) or str(error)
    return None


def _disconnect(stream: BinaryIO) -> None:
    """Keep Python from flushing the rest at its end, which would end the process with a message of its own."""
    if stream in (getattr(sys.stdout, "buffer", None), getattr(sys.stderr, "buffer", None)):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)

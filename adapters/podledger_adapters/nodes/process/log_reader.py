"""Reading what a container wrote, from the files that the shim writes and rotates (`shim.logs`)."""

import contextlib
from collections.abc import AsyncIterator, Callable
from io import FileIO
from pathlib import Path

import anyio
from anyio import to_thread

from podledger_adapters.nodes.process.shim.logs import segment_name, segments

__all__ = ["read_log"]

_CHUNK = 256 * 1024
_PAUSES_S = (0.02, 0.05, 0.1, 0.2)
"""How long a follower waits while nothing is written: little at first."""


class _Position:
    """Where a reader of one attempt's log is.

    The present file is held open, so that the last words of a pod that is deleted, its logs with it, are still read.
    """

    def __init__(self, directory: Path, attempt: int) -> None:
        self._directory, self._attempt = directory, attempt
        self._number = -1
        self._file: FileIO | None = None

    def read(self) -> bytes:
        """The next bytes, b"" at the present end. What rotation removed is left out."""
        while True:
            following = [n for n in segments(str(self._directory)).get(self._attempt, []) if n > self._number]
            # Read after looking for a later file: where there is one, the present one is complete.
            data = self._file.read(_CHUNK) if self._file is not None else b""
            if data or not following:
                return data or b""
            self._open(following[0])

    def _open(self, number: int) -> None:
        self.close()
        self._number = number
        with contextlib.suppress(FileNotFoundError):  # rotated away just now
            self._file = (self._directory / segment_name(self._attempt, number)).open("rb", buffering=0)

    def close(self) -> None:
        """Let go of the present file. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


async def read_log(directory: Path, attempt: int, *, follow: bool, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What one run of a container wrote, in chunks; with `follow` until `ended`, which is called in a thread."""
    position, idle = _Position(directory, attempt), 0
    try:
        while True:
            # Asked before reading: what was written before the end is then read in this round or the next.
            over = not follow or await to_thread.run_sync(ended)
            while data := await to_thread.run_sync(position.read):
                idle = 0
                yield data
            if over:
                return
            await anyio.sleep(_PAUSES_S[min(idle, len(_PAUSES_S) - 1)])
            idle += 1
    finally:
        position.close()

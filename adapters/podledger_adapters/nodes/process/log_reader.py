"""Reading what a container wrote, from the files that the shim writes and rotates (`shim.logs`)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
from anyio import to_thread

from podledger_adapters.nodes.process.shim.logs import segment_name, segments

__all__ = ["read_log"]

_CHUNK = 256 * 1024
_PAUSES_S = (0.02, 0.05, 0.1, 0.2)
"""How long a follower waits while nothing is written: little at first."""


class _Position:
    """Where a reader of one attempt's log is."""

    def __init__(self, directory: Path, attempt: int) -> None:
        self._directory, self._attempt = directory, attempt
        self._number, self._offset = 0, 0

    def read(self) -> bytes:
        """The next bytes, b"" at the present end. What rotation removed is left out."""
        numbers = segments(str(self._directory)).get(self._attempt, [])
        while True:
            following = [number for number in numbers if number >= self._number]
            if not following:
                return b""
            if following[0] != self._number:
                self._number, self._offset = following[0], 0
            data = self._read_segment()
            if data or len(following) == 1:
                return data
            # A later file exists, so this one is complete.
            self._number, self._offset = following[1], 0

    def _read_segment(self) -> bytes:
        try:
            with (self._directory / segment_name(self._attempt, self._number)).open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK)
        except FileNotFoundError:
            return b""
        self._offset += len(data)
        return data


async def read_log(directory: Path, attempt: int, *, follow: bool, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What one run of a container wrote, in chunks; with `follow` until `ended`, which is called in a thread."""
    position, idle = _Position(directory, attempt), 0
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

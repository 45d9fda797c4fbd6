"""Reading what a container wrote, from the files that the shim writes and rotates (`shim.logs`).

A follower is woken, it does not poll: it makes a FIFO in the log's directory, which the shim writes to after each write
and each record. The node is the only reader of a pod's directory, so all followers of a log share one.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import anyio
from anyio import to_thread

from podledger_adapters.nodes.process.shim.logs import FOLLOW_NAME, segment_name, segments

__all__ = ["LogSignal", "LogSignals", "read_log"]

RECHECK_S = 10.0
"""A follower looks this often even if nobody woke it: the shim may have been killed."""
_CHUNK = 256 * 1024


class LogSignal:
    """Wakes the followers of one log: take `event`, look, then wait for that event."""

    def __init__(self, fd: int) -> None:
        self.event = anyio.Event()
        self.users = 0
        self._fd, self._loop = fd, asyncio.get_running_loop()
        self._loop.add_reader(fd, self._on_written)

    def _on_written(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 1 << 16)
        self.wake()

    def wake(self) -> None:
        """There may be something new, or an end."""
        self.event.set()
        self.event = anyio.Event()

    def close(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class LogSignals:
    """The signals of the logs that are followed now, by directory."""

    def __init__(self) -> None:
        self._signals: dict[Path, LogSignal] = {}

    def __repr__(self) -> str:
        return f"<LogSignals {len(self._signals)} followed>"

    def wake(self, logs: Path) -> None:
        """The pod with this directory of logs has ended, perhaps without its shim's saying so, or is gone."""
        for directory, signal in self._signals.items():
            if directory.parent == logs:
                signal.wake()

    @contextmanager
    def listen(self, directory: Path) -> Generator[LogSignal]:
        """The log's signal while inside. Raises OSError."""
        signal = self._signals.get(directory)
        if signal is None:
            directory.mkdir(mode=0o700, exist_ok=True)
            path = directory / FOLLOW_NAME
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            # For writing too, so that it never reads as ended.
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            signal = self._signals[directory] = LogSignal(fd)
        signal.users += 1
        try:
            yield signal
        finally:
            signal.users -= 1
            if signal.users == 0:
                del self._signals[directory]
                signal.close()


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


async def read_log(
    directory: Path, attempt: int, *, ended: Callable[[], bool], signal: LogSignal | None = None
) -> AsyncIterator[bytes]:
    """What one run of a container wrote, in chunks.

    With `signal` it is followed until `ended`, which is called in a thread.
    """
    position = _Position(directory, attempt)
    try:
        while True:
            # Both before reading: what was written before the end is then read in this round, what is later wakes us.
            event = None if signal is None else signal.event
            over = event is None or await to_thread.run_sync(ended)
            while data := await to_thread.run_sync(position.read):
                yield data
            if over or event is None:
                return
            with anyio.move_on_after(RECHECK_S):
                await event.wait()
    finally:
        position.close()

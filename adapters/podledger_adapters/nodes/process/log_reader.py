"""Reading what a container wrote, from the files that the shim writes and rotates (`shim.logs`).

A follower is woken, it does not poll: it makes a FIFO in the log's directory, which the shim writes to after each write
and each record. The node is the only reader of a pod's directory, so all followers of a log share one.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from io import FileIO
from pathlib import Path

import anyio
from anyio import to_thread

from podledger_adapters.nodes.log_chunk import LogChunk
from podledger_adapters.nodes.process.shim.logs import (
    FOLLOW_NAME,
    TIMES_ENTRY,
    segment_name,
    segments,
    times_name,
)

__all__ = ["LogSignal", "LogSignals", "read_log", "read_timed_log"]

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
        self._number, self._offset = -1, 0
        self._file: FileIO | None = None
        self._times = _Times()

    def read(self) -> Sequence[LogChunk]:
        """The next of what was written, nothing at the present end. What rotation removed is left out."""
        while True:
            following = [n for n in segments(str(self._directory)).get(self._attempt, []) if n > self._number]
            # Read after looking for a later file: where there is one, the present one is complete.
            data = self._file.read(_CHUNK) if self._file is not None else b""
            if data:
                self._offset += len(data)
                return self._times.split(self._offset - len(data), data)
            if not following:
                return ()
            self._open(following[0])

    def _open(self, number: int) -> None:
        self.close()
        self._number, self._offset = number, 0
        with contextlib.suppress(FileNotFoundError):  # rotated away just now
            self._file = (self._directory / segment_name(self._attempt, number)).open("rb", buffering=0)
        self._times = _Times(self._directory / times_name(self._attempt, number))

    def close(self) -> None:
        """Let go of the present files. Idempotent."""
        self._times.close()
        if self._file is not None:
            self._file.close()
            self._file = None


class _Times:
    """When what is in one file was written."""

    def __init__(self, path: Path | None = None) -> None:
        self._file: FileIO | None = None
        self._entries: deque[tuple[int, int]] = deque()
        self._last_ns = 0
        if path is not None:
            with contextlib.suppress(FileNotFoundError):
                self._file = path.open("rb", buffering=0)

    def split(self, offset: int, data: bytes) -> Sequence[LogChunk]:
        """What was read at an offset, cut where one write ended and the next began."""
        if self._file is not None:
            noted = self._file.read()
            whole = len(noted) - len(noted) % TIMES_ENTRY.size
            self._file.seek(whole - len(noted), os.SEEK_CUR)
            self._entries.extend(TIMES_ENTRY.iter_unpack(noted[:whole]))
        chunks: list[LogChunk] = []
        begin = offset
        while self._entries and self._entries[0][0] < offset + len(data):
            at, time_ns = self._entries.popleft()
            if at > begin:
                chunks.append(LogChunk(self._last_ns, data[begin - offset : at - offset]))
                begin = at
            self._last_ns = time_ns
        chunks.append(LogChunk(self._last_ns, data[begin - offset :]))
        return chunks

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


async def read_log(
    directory: Path, attempt: int, *, ended: Callable[[], bool], signal: LogSignal | None = None
) -> AsyncGenerator[bytes]:
    """What one run of a container wrote, in chunks.

    With `signal` it is followed until `ended`, which is called in a thread.
    """
    async with aclosing(read_timed_log(directory, attempt, ended=ended, signal=signal)) as batches:
        async for chunks in batches:
            if chunks:
                yield b"".join(chunk.data for chunk in chunks)


async def read_timed_log(
    directory: Path, attempt: int, *, ended: Callable[[], bool], signal: LogSignal | None = None
) -> AsyncGenerator[Sequence[LogChunk]]:
    """As `read_log`, with the times of the writes. An empty batch says that all there is by now was read."""
    position = _Position(directory, attempt)
    try:
        while True:
            # Both before reading: what was written before the end is then read in this round, what is later wakes us.
            event = None if signal is None else signal.event
            over = event is None or await to_thread.run_sync(ended)
            while chunks := await to_thread.run_sync(position.read):
                yield chunks
            yield ()
            if over or event is None:
                return
            with anyio.move_on_after(RECHECK_S):
                await event.wait()
    finally:
        position.close()

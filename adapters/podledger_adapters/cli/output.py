"""What a run writes while it goes on: pod logs, notes for people, progress. One task writes, so nothing interleaves.

Whoever logs waits while the writer is behind (a slow pipe, a terminal stopped with Ctrl-S), which bounds what is held
in memory; the pods themselves write to files and never wait. How bytes reach a pipe or a terminal is `writer.py`.
"""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from podledger_adapters.cli.progress import JobProgress

__all__ = ["Output", "Writer"]

MAX_WAITING = 64
"""Pieces of output that may wait for the writer; each is at most one read of a log file."""
MAX_BATCH_BYTES = 256 * 1024
"""What is written in one call to the thread."""
TICK_S = 0.25
"""How often progress is looked at."""


class Writer(Protocol):
    """Where output goes. Its methods block and are called one at a time, in a worker thread."""

    def logs(self, data: bytes) -> None:
        """Whole lines of pods' logs, prefixes included."""
        ...

    def note(self, text: str) -> None:
        """One line for people."""
        ...

    def progress(self, jobs: Sequence[JobProgress]) -> None:
        """How things stand; called about every TICK_S seconds."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class _Note(NamedTuple):
    text: str


class Output:
    """The one way to say something during a run. `open` it, then log and note from any task."""

    def __init__(self, writer: Writer, progress: Callable[[], Sequence[JobProgress]]) -> None:
        self._writer = writer
        self._progress = progress
        self._send: MemoryObjectSendStream[bytes | _Note] | None = None
        self._ticked = 0.0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Write while inside. Leaving waits until all that was said is written."""
        send, receive = anyio.create_memory_object_stream[bytes | _Note](MAX_WAITING)
        self._send = send
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, receive)
            with send:
                yield

    async def logs(self, data: bytes) -> None:
        """Whole lines of pods' logs; waits while the writer is behind."""
        if data:
            await self._say(data)

    async def note(self, text: str) -> None:
        """One line for people; waits while the writer is behind."""
        await self._say(_Note(text))

    async def _say(self, item: bytes | _Note) -> None:
        if self._send is None:
            raise RuntimeError("the output is not open: `async with output.open()`")
        await self._send.send(item)

    async def _run(self, said: MemoryObjectReceiveStream[bytes | _Note]) -> None:
        # Shielded: what was said is written even when the run is cancelled; a closed stream ends it.
        with anyio.CancelScope(shield=True), said:
            try:
                ended = False
                while not ended:
                    batch, ended = await _take(said)
                    await self._write(batch, last=ended)
            finally:
                await anyio.to_thread.run_sync(self._writer.close)

    async def _write(self, batch: Sequence[bytes | _Note], *, last: bool) -> None:
        # Progress is read here, on the event loop: the states it comes from are the controller's.
        now = time.monotonic()
        due = last or now - self._ticked >= TICK_S
        if due:
            self._ticked = now
        jobs = self._progress() if due else None
        if batch or jobs:
            await anyio.to_thread.run_sync(self._write_blocking, batch, jobs)

    def _write_blocking(self, batch: Sequence[bytes | _Note], jobs: Sequence[JobProgress] | None) -> None:
        pending: list[bytes] = []
        for item in batch:
            if isinstance(item, bytes):
                pending.append(item)
                continue
            if pending:
                self._writer.logs(b"".join(pending))
                pending.clear()
            self._writer.note(item.text)
        if pending:
            self._writer.logs(b"".join(pending))
        if jobs is not None:
            self._writer.progress(jobs)


async def _take(said: MemoryObjectReceiveStream[bytes | _Note]) -> tuple[Sequence[bytes | _Note], bool]:
    """What waits, or nothing after a tick; and whether the stream is closed and empty."""
    batch: list[bytes | _Note] = []
    size = 0
    try:
        with anyio.move_on_after(TICK_S):
            batch.append(await said.receive())
        while size < MAX_BATCH_BYTES:
            item = said.receive_nowait()
            batch.append(item)
            size += len(item) if isinstance(item, bytes) else 0
    except anyio.WouldBlock:
        return batch, False
    except anyio.EndOfStream:
        return batch, True
    return batch, False

"""The writer's end of a stream: events are folded at once and handed to the log in order, durable or not yet.

The fold runs ahead of the disk. Whoever acts on it first waits for `durable`; when an append fails, everything behind
it fails too, the fold is no longer true, and the holder starts again from the log. While the log works virtual time
stands, whether the log was told of the clock or not: a call to a thread does not show as activity on the event loop.
"""

import logging
from collections.abc import Sequence
from contextlib import aclosing

import anyio
import msgspec

from podledger.errors import DamagedLog, LogUnavailable
from podledger.event import EpochTaken, Event, StreamStarted
from podledger.ports import Clock, EventLog, PendingAppend, Snapshot
from podledger.projection import Projection, decode_projection, encode_projection

__all__ = ["Journal", "load_projection", "open_journal", "put_snapshot"]

logger = logging.getLogger(__name__)


class Journal:
    """Appends to one stream under one epoch. Not safe to share between loops; between awaits every call is whole."""

    def __init__(self, log: EventLog, stream: str, projection: Projection, epoch: int, clock: Clock) -> None:
        self.projection, self.clock = projection, clock
        self._log, self._stream, self._epoch = log, stream, epoch
        self._staged: list[Event] = []
        self._first = projection.position + 1
        self._last: PendingAppend | None = None
        self._handed_in = anyio.Event()

    def __repr__(self) -> str:
        return (
            f"<Journal of {self._stream}, epoch {self._epoch}: {self._first - 1} handed in, {len(self._staged)} staged>"
        )

    def add(self, events: Sequence[Event]) -> None:
        """Fold events and stage them for the next `flush`; between the two nothing may await."""
        apply = self.projection.apply
        for event in events:
            apply(event)
        self._staged.extend(events)

    def flush(self) -> PendingAppend | None:
        """Hand in what is staged as one batch; the last append handed in, None if there never was one."""
        if self._staged:
            staged, self._staged = self._staged, []
            expected = self._first - 1
            self._first += len(staged)
            self._last = self._log.append_nowait(
                self._stream,
                staged,
                expected_position=expected,
                epoch=self._epoch,
                batch_id=f"{self._epoch}:{expected + 1}",
            )
            self._handed_in.set()
        return self._last

    async def durable(self) -> None:
        """Hand in what is staged and wait until everything handed in is durable. Raises the log's errors."""
        pending = self.flush()
        if pending is not None:
            await pending.wait()

    async def watch(self) -> None:
        """Wait for whatever is handed in, for ever; raises the log's errors, so that none goes unnoticed."""
        while True:
            await self._handed_in.wait()
            self._handed_in = anyio.Event()
            if self._last is not None:
                with self.clock.hold():
                    await self._last.wait()


async def open_journal(log: EventLog, stream: str, holder: str, clock: Clock, seed: str) -> Journal:
    """Take the stream over, rebuild its projection, and record the new epoch; `seed` is used for a new stream only."""
    with clock.hold():
        taken = await log.take(stream, holder)
        projection = await load_projection(log, stream)
        if projection.position != taken.position:
            text = f"stream {stream} ends at {taken.position} but only {projection.position} events could be read"
            raise DamagedLog(text, projection.position + 1)
        journal = Journal(log, stream, projection, taken.epoch, clock)
        if projection.position == 0:
            journal.add([StreamStarted(seed)])
        journal.add([EpochTaken(taken.epoch, holder, clock.now())])
        await journal.durable()
        return journal


async def load_projection(log: EventLog, stream: str) -> Projection:
    """The newest good snapshot and the tail behind it, folded."""
    projection = Projection()
    for snapshot in await log.snapshots(stream):
        try:
            projection = decode_projection(snapshot.body)
            break
        except msgspec.DecodeError as error:  # written by another version: an older one, or the log itself, serves
            logger.warning("snapshot at %d of stream %s is passed over: %s", snapshot.position, stream, error)
    async for batch in log.read(stream, after=projection.position):
        projection.apply_all(batch.events)
    return projection


async def put_snapshot(log: EventLog, stream: str, journal: Journal) -> int:
    """Store a snapshot of the journal's projection as it stands now; its position. Appends go on meanwhile.

    A disk without room for it costs only a slower restart: it is said, and the log goes on. Raises what appends raise.
    """
    journal.flush()  # so that the position is the end of a batch, where the log knows the chain
    position, body = journal.projection.position, encode_projection(journal.projection)
    with journal.clock.hold():
        await journal.durable()
        async with aclosing(log.read(stream, after=position - 1)) as batches:
            chain = (await anext(batches)).chain
        try:
            await log.put_snapshot(stream, Snapshot(position, chain, body))
        except LogUnavailable as error:
            logger.warning("no snapshot of stream %s at %d: %s", stream, position, error)
    return position

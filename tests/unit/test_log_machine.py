"""A state machine drives SqliteLog and MemoryLog side by side, through repeats, take-overs, closings and crashes.

Both store rows of the same codec, so after each step their rows must be equal byte for byte. A crash of the SQLite log
is a copy of its files as they are at that moment, opened in their place; of what was handed in and not waited for, a
prefix may have survived, and the memory log is told to keep the same.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.log_events import events, make_ledger, stored_rows

from podledger.errors import LogError
from podledger.event import Event
from podledger.log import MemoryLedger, MemoryLog, SqliteLog
from podledger.log.verification import verify_ledger
from podledger.ports import PendingAppend, Snapshot

T = TypeVar("T")

STREAMS: tuple[str, ...] = ("main", "shard-1")
streams = st.sampled_from(STREAMS)
batches = st.lists(events, max_size=4)


class TwoLogs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="podledger-machine-"))
        self.lives = 0
        self.path = self.folder / "ledger-0.db"
        self.ledger = MemoryLedger()
        self.sqlite = SqliteLog.open(self.path)
        self.runner.run(self.sqlite.__aenter__())
        self.memory = MemoryLog(self.ledger, manual=True)
        self.epochs = dict.fromkeys(STREAMS, 0)
        self.positions = dict.fromkeys(STREAMS, 0)
        self.handed_in: list[tuple[PendingAppend, PendingAppend]] = []
        self.ids: list[tuple[str, str]] = [("main", "never used")]
        self.number = 0

    def teardown(self) -> None:
        self.runner.run(self.sqlite.aclose())
        self.runner.run(self.memory.aclose())
        self.runner.close()
        self.check_rows()
        assert verify_ledger(self.path).sound
        shutil.rmtree(self.folder)

    @rule(stream=streams)
    def take(self, stream: str) -> None:
        self.settle()
        taken = self.both(self.sqlite.take(stream, "machine"), self.memory.take(stream, "machine"))
        assert not isinstance(taken, type)
        self.epochs[stream], self.positions[stream] = taken

    @rule(stream=streams, batch=batches)
    def append(self, stream: str, batch: list[Event]) -> None:
        self.hand_in(stream, batch, self.positions[stream], self.epochs[stream], self.fresh_id(stream))
        if self.epochs[stream]:
            self.positions[stream] += len(batch)

    @rule(stream=streams, batch=batches, position=st.integers(0, 20), epoch=st.integers(0, 4))
    def append_anyhow(self, stream: str, batch: list[Event], position: int, epoch: int) -> None:
        self.settle()
        self.hand_in(stream, batch, position, epoch, self.fresh_id(stream))
        self.settle()

    @rule(data=st.data(), batch=batches, at_end=st.booleans())
    def repeat(self, data: st.DataObject, batch: list[Event], at_end: bool) -> None:
        stream, batch_id = data.draw(st.sampled_from(self.ids))
        self.settle()
        position = self.positions[stream] if at_end else 0
        self.hand_in(stream, batch, position, self.epochs[stream], batch_id)
        self.settle()

    @rule()
    def settle(self) -> None:
        """Wait for all that was handed in: both logs say the same of each."""
        self.memory.commit()
        handed_in, self.handed_in = self.handed_in, []
        for one, two in handed_in:
            self.both(one.wait(), two.wait())
        for stream in STREAMS:
            rows = self.ledger.rows.get(stream)
            self.positions[stream] = rows[-1].last if rows else 0

    @rule(stream=streams, body=st.binary(max_size=50), fits=st.booleans(), back=st.integers(0, 3))
    def put_snapshot(self, stream: str, body: bytes, fits: bool, back: int) -> None:
        self.settle()
        rows = self.ledger.rows.get(stream, [])
        if len(rows) > back:
            row = rows[-1 - back]
            snapshot = Snapshot(row.last, row.chain if fits else bytes(32), body)
            self.both(self.sqlite.put_snapshot(stream, snapshot), self.memory.put_snapshot(stream, snapshot))
        self.both(self.sqlite.snapshots(stream), self.memory.snapshots(stream))

    @rule(stream=streams, after=st.integers(0, 12))
    def read(self, stream: str, after: int) -> None:
        self.settle()
        assert self.run(_read(self.sqlite, stream, after)) == self.run(_read(self.memory, stream, after))

    @rule()
    def close_and_open(self) -> None:
        self.runner.run(self.sqlite.aclose())
        self.runner.run(self.memory.aclose())
        self.settle()
        self.check_rows()
        self.open(self.path)

    @precondition(lambda self: self.lives < 5)
    @rule(turns=st.integers(0, 3))
    def crash(self, turns: int) -> None:
        """The process ends here; what was handed in may be durable or not, in order."""
        self.runner.run(_turns(turns))
        self.lives += 1
        survived = self.folder / f"ledger-{self.lives}.db"
        for end in ("", "-wal"):
            source = self.path.with_name(self.path.name + end)
            if source.exists():
                shutil.copy(source, survived.with_name(survived.name + end))
        acknowledged = sum(len(rows) for rows in self.ledger.rows.values())
        self.runner.run(self.sqlite.aclose())
        self.runner.run(make_ledger(survived, []))  # opened and closed, so that all is in the file itself
        rows = stored_rows(survived)
        assert len(rows) >= acknowledged
        while sum(len(rows) for rows in self.ledger.rows.values()) < len(rows):
            assert self.memory.waiting, "more survived than was handed in"
            self.memory.commit(1)
        self.memory.crash()
        self.handed_in.clear()
        self.path = survived
        self.check_rows()
        self.open(survived)
        self.settle()

    @invariant()
    def bounded(self) -> None:
        assert self.memory.waiting <= len(self.handed_in)

    def open(self, path: Path) -> None:
        self.sqlite = SqliteLog.open(path)
        self.runner.run(self.sqlite.__aenter__())
        self.memory = MemoryLog(self.ledger, manual=True)

    def fresh_id(self, stream: str) -> str:
        self.number += 1
        self.ids.append((stream, f"id-{self.number}"))
        return f"id-{self.number}"

    def hand_in(self, stream: str, batch: list[Event], position: int, epoch: int, batch_id: str) -> None:
        async def both() -> tuple[PendingAppend, PendingAppend]:
            one = self.sqlite.append_nowait(stream, batch, expected_position=position, epoch=epoch, batch_id=batch_id)
            two = self.memory.append_nowait(stream, batch, expected_position=position, epoch=epoch, batch_id=batch_id)
            return one, two

        self.handed_in.append(self.runner.run(both()))

    def both(self, one: Awaitable[T], two: Awaitable[T]) -> T | type[LogError]:
        """What both come to: equal values, or errors of one kind."""
        first, second = self.run(one), self.run(two)
        assert first == second
        return first

    def run(self, outcome: Awaitable[T]) -> T | type[LogError]:
        async def settled() -> T | type[LogError]:
            try:
                return await outcome
            except LogError as error:
                return type(error)

        return self.runner.run(settled())

    def check_rows(self) -> None:
        """The closed file holds what the memory holds."""
        stored = stored_rows(self.path)
        for stream in STREAMS:
            assert [row for row in stored if row.stream == stream] == self.ledger.rows.get(stream, [])


async def _read(log: SqliteLog | MemoryLog, stream: str, after: int) -> list[object]:
    return [batch async for batch in log.read(stream, after)]


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


TestTwoLogs = TwoLogs.TestCase

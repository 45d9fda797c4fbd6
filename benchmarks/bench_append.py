"""What a durable append costs, beside plain sqlite3 that writes the same rows, and beside another event store.

Contenders take turns within one run, so that whatever else the machine does hits them alike. Encoding, digests and
chain are on both sides: what is compared is the log's own doing (queue, thread, waking up) with a loop that has none.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import UUID

import msgspec

from benchmarks.harness import Measured, at_least, benchmark, digest_of, figure, stopwatch
from benchmarks.log_workload import Appender, chunked, pod_lives
from podledger.event import Event
from podledger.log import SqliteLog
from podledger.log.codec import GENESIS, StoredBatch, encode_batch
from podledger.log.file import connect_writer

__all__ = ["append", "callers"]

EVENTS_PER_APPEND = 100
FLUSH_SIZES = (100, 1_000, 10_000)
CALLERS = (1, 10, 100)
EVENTS_PER_CALL = 10

_INSERT = (
    "INSERT INTO batch (stream, first, last, epoch, id, digests, body, checksum, chain) VALUES (?,?,?,?,?,?,?,?,?)"
)
_MOVE = "UPDATE stream SET position = ?, chain = ? WHERE name = 'main'"


class Size(NamedTuple):
    """Rounds in which every contender has a turn, and events of a turn."""

    rounds: int
    events: int


class Plain:
    """Plain sqlite3 on a file of the log's own making: executemany and commit, in this thread."""

    def __init__(self, path: Path) -> None:
        self._connection = connect_writer(path)
        self._connection.execute("INSERT INTO stream VALUES ('main', 0, zeroblob(32), 1, 'plain')")
        self._position: int = 0
        self.chain = GENESIS

    def flush(self, appends: Sequence[Sequence[Event]]) -> None:
        """Store appends as rows, and commit."""
        rows: list[StoredBatch] = []
        for events in appends:
            row = encode_batch(self.chain, "main", self._position + 1, 1, f"1:{self._position}", events)
            self._position, self.chain = row.last, row.chain
            rows.append(row)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_INSERT, rows)
        self._connection.execute(_MOVE, (self._position, self.chain))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class OtherStore:
    """The SQLite recorder of the `eventsourcing` library: one row an event, one commit a call."""

    def __init__(self, path: Path) -> None:
        from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

        self._datastore = SQLiteDatastore(str(path))
        self._recorder = SQLiteApplicationRecorder(self._datastore)
        self._recorder.create_table()
        self._originator, self._version = UUID(int=1), 0

    def flush(self, appends: Sequence[Sequence[Event]]) -> None:
        """Store all events of the appends, and commit."""
        from eventsourcing.persistence import StoredEvent

        rows: list[StoredEvent] = []
        for events in appends:
            for event in events:
                self._version += 1
                state = msgspec.msgpack.encode(event)
                rows.append(StoredEvent(self._originator, self._version, type(event).__name__, state))
        self._recorder.insert_events(rows)

    def close(self) -> None:
        """Close the file."""
        self._datastore.close()


@benchmark(
    "append",
    figures=[
        at_least("append", 0.6, "of plain sqlite3"),
        *(figure(f"append/flush-{size}", "events/s") for size in FLUSH_SIZES),
        *(figure(f"append/plain-{size}", "events/s") for size in FLUSH_SIZES),
        figure("append/eventsourcing-1000", "events/s"),
    ],
    small=Size(rounds=2, events=10_000),
    full=Size(rounds=10, events=50_000),
    not_shown="Disks with a slower fsync, where flushes get larger and the share of the log's own work smaller.",
)
def append(size: Size, seed: int) -> Measured:
    """Durable appends of 100 events in flushes of several sizes, beside plain sqlite3 and `eventsourcing`."""
    return asyncio.run(_append(size))


async def _append(size: Size) -> Measured:
    appends = chunked(pod_lives(size.events), EVENTS_PER_APPEND)
    rates: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        plain = Plain(Path(folder) / "plain.db")
        other = _other_store(Path(folder) / "other.db")
        async with SqliteLog.open(Path(folder) / "ledger.db") as log:
            ours = Appender(log, *await log.take("main", "benchmark"))
            for _ in range(size.rounds):
                for flush_size in FLUSH_SIZES:
                    flushes = [
                        appends[start : start + flush_size // EVENTS_PER_APPEND]
                        for start in range(0, len(appends), flush_size // EVENTS_PER_APPEND)
                    ]
                    with stopwatch() as elapsed:
                        for flush in flushes:
                            await ours.flush(flush)
                    rates.setdefault(f"append/flush-{flush_size}", []).append(size.events / elapsed.wall_s)
                    with stopwatch() as elapsed:
                        for flush in flushes:
                            plain.flush(flush)
                    rates.setdefault(f"append/plain-{flush_size}", []).append(size.events / elapsed.wall_s)
                    if other is not None and flush_size == 1_000:
                        with stopwatch() as elapsed:
                            for flush in flushes:
                                other.flush(flush)
                        rates.setdefault("append/eventsourcing-1000", []).append(size.events / elapsed.wall_s)
            head = (await log.heads())["main"]
        plain.close()
        if other is not None:
            other.close()
    ratios = [a / b for a, b in zip(rates["append/flush-1000"], rates["append/plain-1000"], strict=True)]
    values = {"append": statistics.median(ratios), "append/eventsourcing-1000": 0.0}
    values |= {name: statistics.median(found) for name, found in rates.items()}
    detail = {} if other is not None else {"eventsourcing": "not installed: pip install 'podledger[bench]'"}
    return Measured(values, digest_of(head.position, head.chain.hex(), head.chain == plain.chain), detail)


def _other_store(path: Path) -> OtherStore | None:
    try:
        return OtherStore(path)
    except ModuleNotFoundError:
        return None


@benchmark(
    "append-callers",
    figures=[
        figure("append-callers", "events/s of 100 callers"),
        *(figure(f"append-callers/{count}", "events/s") for count in CALLERS),
        *(figure(f"append-callers/{count}-p50", "ms") for count in CALLERS),
        *(figure(f"append-callers/{count}-p99", "ms") for count in CALLERS),
    ],
    small=500,
    full=10_000,
    not_shown="Callers that do anything else between their appends.",
)
def callers(calls: int, seed: int) -> Measured:
    """Durable appends of 10 events by so many callers at once, each waiting for its own."""
    return asyncio.run(_callers(calls))


async def _callers(calls: int) -> Measured:
    values: dict[str, float] = {}
    appends = chunked(pod_lives(calls * EVENTS_PER_CALL), EVENTS_PER_CALL)
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        async with SqliteLog.open(Path(folder) / "ledger.db") as log:
            ours = Appender(log, *await log.take("main", "benchmark"))
            for count in CALLERS:
                latencies: list[float] = []
                waiting = iter(appends)

                with stopwatch() as elapsed:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(count):
                            group.create_task(_call(ours, waiting, latencies))
                ranked = statistics.quantiles(latencies, n=100)
                values[f"append-callers/{count}"] = calls * EVENTS_PER_CALL / elapsed.wall_s
                values[f"append-callers/{count}-p50"] = ranked[49] * 1000
                values[f"append-callers/{count}-p99"] = ranked[98] * 1000
            position = (await log.heads())["main"].position
    values["append-callers"] = values[f"append-callers/{CALLERS[-1]}"]
    return Measured(values, digest_of(position))


async def _call(ours: Appender, waiting: Iterator[Sequence[Event]], latencies: list[float]) -> None:
    """One caller: takes the next append until none is left."""
    for events in waiting:
        began = time.perf_counter()
        await ours.append(events)
        latencies.append(time.perf_counter() - began)

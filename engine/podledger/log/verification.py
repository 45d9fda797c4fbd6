"""Checks a whole ledger: file, rows, digests, chain, positions, ends, blanks, snapshots, objects. Blocking, read only.

What the events mean (fold, invariants, decisions) is `podledger.replay`'s matter, what is in an object's row the
store's, which has a check of its own to hand in. Rows are read in the order they lie
in the table and not through its indexes, which could lead around a damaged one; the indexes are checked against them.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from msgspec import Struct

from podledger.errors import DamagedLog, NewerSchema
from podledger.event import EventsCompacted
from podledger.log.codec import DIGEST_BYTES, GENESIS, StoredBatch, bad_digests, check_link, decode_batch
from podledger.log.file import connect_reader, translated
from podledger.log.objects import LoadedObjects, read_objects
from podledger.log.ranges import Ranges
from podledger.log.rows import BATCH_COLUMNS, check_row, fact, load_heads
from podledger.log.snapshot import load_snapshots
from podledger.log.stream import Head

__all__ = ["FAULT_LIMIT", "Fault", "ObjectCheck", "Verification", "VerifiedStream", "verify_ledger"]

FAULT_LIMIT = 100
"""So many faults are listed; what follows the first is often its consequence."""

ObjectCheck = Callable[[LoadedObjects, str | None], Iterable[str]]
"""What is wrong with the objects of a local cluster, one text a fault; given with them is its id, None for none yet."""

_FIRST_ROW = "SELECT {columns} FROM batch NOT INDEXED ORDER BY rowid LIMIT 1"
_NEXT_ROW = "SELECT {columns} FROM batch NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT 1"


class Fault(Struct, frozen=True):
    """Something that is not as it was written. `position` is the first event concerned, None for the file itself."""

    stream: str
    position: int | None
    text: str


class VerifiedStream(Struct, frozen=True):
    """What was found of a stream."""

    name: str
    position: int
    batches: int
    blanked: int


class Verification(Struct, frozen=True):
    """All that was checked, and all that is wrong, in order of position within each stream."""

    streams: tuple[VerifiedStream, ...]
    snapshots: int
    faults: tuple[Fault, ...]
    objects: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def verify_ledger(path: str | PathLike[str], *, check_objects: ObjectCheck | None = None) -> Verification:
    """Check everything; without `check_objects` of the objects only that their rows can be read.

    Raises NotALedger, NewerSchema, LogUnavailable when there is nothing to check.
    """
    ledger = Path(path)
    try:
        connection = connect_reader(ledger)
    except DamagedLog as fault:
        return Verification((), 0, (Fault("", None, str(fault)),))
    try:
        with translated(ledger):
            connection.execute("BEGIN")  # one view, however long it takes and whoever writes meanwhile
            return _Check(connection, check_objects).run()
    except DamagedLog as fault:
        return Verification((), 0, (Fault("", None, str(fault)),))
    finally:
        connection.close()


class _StreamCheck:
    """One stream while its rows go by."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.position, self.chain = 0, GENESIS
        self.batches = 0
        self.blanked = Ranges()
        self.compacted = Ranges()

    def see(self, row: StoredBatch) -> Iterator[Fault]:
        """Check a row behind those seen, then go on from what it says, so that one fault is told once."""
        self.batches += 1
        try:
            check_link(row, self.name, self.position, self.chain)
        except DamagedLog as fault:
            yield Fault(self.name, fault.position, str(fault))
            # What it says of itself is not to be trusted; the number of its digests is the better witness.
            if row.first > self.position:
                self.position = row.first + max(len(row.digests) // DIGEST_BYTES, 1) - 1
                self.chain = row.chain
            return
        self.position, self.chain = row.last, row.chain
        try:
            for position, blank in bad_digests(row):
                if blank:
                    self.blanked.add(position, position)
                else:
                    yield Fault(self.name, position, f"stream {self.name}: the event at position {position} is damaged")
            for event in decode_batch(row).events:
                if isinstance(event, EventsCompacted):
                    for first, last in event.ranges:
                        self.compacted.add(first, last)
        except DamagedLog as fault:
            yield Fault(self.name, fault.position, str(fault))
        except NewerSchema as fault:
            yield Fault(self.name, row.first, str(fault))

    def end(self, head: Head) -> Iterator[Fault]:
        """Check what only shows at the end: blanks nobody recorded, and the recorded end."""
        for first, last in self.blanked.minus(self.compacted):
            text = f"positions {first} to {last} are" if last > first else f"position {first} is"
            yield Fault(self.name, first, f"stream {self.name}: {text} blank, but no compaction is recorded for it")
        if head.position > self.position:
            yield Fault(
                self.name,
                self.position + 1,
                f"stream {self.name}: positions {self.position + 1} to {head.position} are missing at its end",
            )
        elif head.position < self.position:
            yield Fault(
                self.name,
                head.position + 1,
                f"stream {self.name}: its recorded end is position {head.position}, but it goes on behind it",
            )
        elif head.chain != self.chain:
            position = max(self.position, 1)
            yield Fault(self.name, position, f"stream {self.name}: the chain recorded as its end is another one")


class _Check:
    def __init__(self, connection: sqlite3.Connection, object_check: ObjectCheck | None) -> None:
        self._connection = connection
        self._object_check = object_check
        self._objects = 0
        self._streams: dict[str, _StreamCheck] = {}
        self._faults: list[Fault] = []

    def run(self) -> Verification:
        """Everything, in an open transaction."""
        heads = self._heads()
        self._streams = {name: _StreamCheck(name) for name in heads}
        self._check_rows()
        snapshots = 0
        for name, stream in self._streams.items():
            self._faults += stream.end(heads[name])
            good, bad = load_snapshots(self._connection, name)
            snapshots += len(good)
            self._faults += [Fault(name, fault.position, str(fault)) for fault in bad]
        self._check_objects()
        self._check_file()
        found = tuple(
            VerifiedStream(name, stream.position, stream.batches, stream.blanked.count)
            for name, stream in self._streams.items()
        )
        # The file's own faults last: those above say what they mean.
        faults = sorted(
            dict.fromkeys(self._faults), key=lambda fault: (fault.position is None, fault.stream, fault.position or 0)
        )
        return Verification(found, snapshots, tuple(faults[:FAULT_LIMIT]), self._objects)

    def _heads(self) -> dict[str, Head]:
        try:
            return load_heads(self._connection)
        except DamagedLog as fault:
            self._faults.append(Fault("", None, str(fault)))
            return {}

    def _check_rows(self) -> None:
        """Read all rows as they lie in the table, each by itself: a cursor that looks ahead hides the one before."""
        # Where a row cannot be read it is told by its place: behind the latest one, or in the only stream there is.
        latest = next(iter(self._streams.values())) if len(self._streams) == 1 else None
        rowid: int | None = None
        while len(self._faults) < FAULT_LIMIT:
            name, position = (latest.name, latest.position + 1) if latest else ("", 1)
            try:
                values = self._next_row(f"rowid, {BATCH_COLUMNS}", rowid)
                if values is None:
                    return
                rowid = int(values[0])
                row = check_row(values[1:], name, position)
            except (sqlite3.DatabaseError, DamagedLog) as error:
                text = f"stream {name}: the batch at position {position} cannot be read ({error})"
                self._faults.append(Fault(name, position, text))
                if isinstance(error, sqlite3.DatabaseError) and (rowid := self._step_over(rowid)) is None:
                    return
                continue
            stream = self._streams.get(row.stream)
            if stream is None:
                text = f"stream {row.stream}: its end is not recorded; is that its name?"
                self._faults.append(Fault(row.stream, row.first, text))
                continue
            latest = stream
            self._faults += stream.see(row)
            self._check_index(rowid, row)

    def _next_row(self, columns: str, rowid: int | None) -> tuple[Any, ...] | None:
        """The row behind this one in the table, the first if there is none; None at the end."""
        statement, bounds = (_FIRST_ROW, ()) if rowid is None else (_NEXT_ROW, (rowid,))
        found: tuple[Any, ...] | None = self._connection.execute(statement.format(columns=columns), bounds).fetchone()
        return found

    def _step_over(self, rowid: int | None) -> int | None:
        """The key of a row that cannot be read; None where not even that can be."""
        try:
            found = self._next_row("rowid", rowid)
        except sqlite3.DatabaseError:
            return None
        return None if found is None else int(found[0])

    def _check_index(self, rowid: int, row: StoredBatch) -> None:
        """The index by position must lead to this very row, or reading would miss it."""
        try:
            found = self._connection.execute(
                "SELECT rowid FROM batch WHERE stream = ? AND last = ?", (row.stream, row.last)
            ).fetchall()
        except sqlite3.DatabaseError:
            found = []
        if found != [(rowid,)]:
            text = f"stream {row.stream}: the index does not lead to the batch at position {row.first}"
            self._faults.append(Fault(row.stream, row.first, text))

    def _check_objects(self) -> None:
        try:
            loaded, store = read_objects(self._connection), fact(self._connection, "store")
        except sqlite3.DatabaseError as error:
            self._faults.append(Fault("", None, f"table object: its rows cannot be read ({error})"))
            return
        except DamagedLog as fault:
            self._faults.append(Fault("", None, str(fault)))
            return
        self._objects = len(loaded.objects)
        if self._object_check is not None:
            self._faults += [Fault("", None, text) for text in self._object_check(loaded, store)]

    def _check_file(self) -> None:
        """SQLite's own check of pages, indexes and constraints."""
        try:
            answers = [text for (text,) in self._connection.execute(f"PRAGMA integrity_check({FAULT_LIMIT})")]
        except sqlite3.DatabaseError as error:
            answers = [str(error)]
        self._faults += [Fault("", None, f"the file: {text}") for text in answers if text != "ok"]

"""What a flush does: pieces of work, handed in on the event loop, applied in order in one transaction in the thread.

A piece learns its outcome in the thread, but tells it only when the transaction is committed, on the event loop. One
that may not be done (PositionConflict and the like) changes nothing and leaves the others of the flush alone.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar, cast

from podledger.errors import PodledgerError, PositionConflict
from podledger.log.codec import StoredBatch
from podledger.log.pending import Pending
from podledger.log.stream import Head

__all__ = ["ForeignChange", "Transaction", "Work", "flush"]

T = TypeVar("T")

_INSERT_BATCH = (
    "INSERT INTO batch (stream, first, last, epoch, id, digests, body, checksum, chain) VALUES (?,?,?,?,?,?,?,?,?)"
)
_MOVE_HEAD = "UPDATE stream SET position = ?, chain = ? WHERE name = ? AND position = ? AND chain = ? AND epoch = ?"
_TAKE = (
    "INSERT INTO stream (name, position, chain, epoch, holder) VALUES (?,?,?,?,?) "
    "ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder "
    "WHERE position = excluded.position AND chain = excluded.chain AND epoch = excluded.epoch - 1"
)


class ForeignChange(PositionConflict):
    """The ledger's file is not as this log left it: it was changed, or an older copy was put back."""

    def __init__(self, stream: str, known: Head) -> None:
        super().__init__(
            f"stream {stream}: the ledger does not end at position {known.position} as it was left; its file was "
            "changed, or an older copy was put back: stop whatever does that, and open it again"
        )


class Transaction:
    """One transaction in the thread; `heads` are the streams' ends as of its last statement."""

    def __init__(self, connection: sqlite3.Connection, heads: dict[str, Head]) -> None:
        self.connection = connection
        self.heads = dict(heads)
        self.diverted: list[str] = []
        """Streams in which an append that seemed to fit proved to be a repeat: those behind it will not fit on."""
        self._moved_from: dict[str, Head] = {}

    def append(self, row: StoredBatch) -> int:
        """Store a row that fits on the end as handed in; the position its last event has."""
        head = self.require_end(row.stream, row.first - 1)
        try:
            self.connection.execute(_INSERT_BATCH, row)
        except sqlite3.IntegrityError:
            position = self.find(row.stream, row.id)
            if position is None:
                raise ForeignChange(row.stream, head) from None
            self.diverted.append(row.stream)
            return position
        self._moved_from.setdefault(row.stream, head)
        self.heads[row.stream] = Head(row.last, row.chain, head.epoch, head.holder)
        return row.last

    def require_end(self, stream: str, position: int) -> Head:
        """Check that a stream ends at a position, where it was handed in to do so; its end. Raises PositionConflict."""
        head = self.heads.get(stream, Head())
        if head.position != position:
            raise PositionConflict(
                f"stream {stream} ends at position {head.position}, not at {position}: an append in front was a repeat"
            )
        return head

    def find_repeat(self, stream: str, batch_id: str, refusal: PodledgerError) -> int:
        """The position of the batch stored with an id. Raises `refusal` if there is none."""
        position = self.find(stream, batch_id)
        if position is None:
            raise refusal
        return position

    def find(self, stream: str, batch_id: str) -> int | None:
        """The position of the batch stored with an id; None if there is none."""
        found = self.connection.execute("SELECT last FROM batch WHERE stream = ? AND id = ?", (stream, batch_id))
        row = found.fetchone()
        return None if row is None else row[0]

    def take(self, stream: str, epoch: int, holder: str) -> int:
        """Begin an epoch behind all that was appended so far; the position there."""
        self.move_heads()
        known = self.heads.get(stream, Head())
        if self.connection.execute(_TAKE, (stream, known.position, known.chain, epoch, holder)).rowcount != 1:
            raise ForeignChange(stream, known)
        self.heads[stream] = Head(known.position, known.chain, epoch, holder)
        return known.position

    def move_heads(self) -> None:
        """Write the ends of the streams appended to, once a flush. Raises ForeignChange."""
        for stream, before in self._moved_from.items():
            head = self.heads[stream]
            values = (head.position, head.chain, stream, before.position, before.chain, before.epoch)
            if self.connection.execute(_MOVE_HEAD, values).rowcount != 1:
                raise ForeignChange(stream, before)
        self._moved_from.clear()


class Work(Generic[T]):
    """A piece of work. `apply` runs in the thread, `settle` or `fail` after it on the event loop."""

    __slots__ = ("_apply", "_refusal", "_value", "pending")

    def __init__(self, apply: Callable[[Transaction], T], pending: Pending[T]) -> None:
        self._apply, self.pending = apply, pending
        self._value: T | None = None
        self._refusal: PodledgerError | None = None

    def apply(self, transaction: Transaction) -> None:
        """Do it; a refusal is kept for `settle`, any other error ends the transaction."""
        try:
            self._value = self._apply(transaction)
        except ForeignChange:
            raise
        except PodledgerError as refusal:
            self._refusal = refusal

    def settle(self) -> None:
        """It is durable, or refused: tell who waits."""
        if self._refusal is not None:
            self.pending.fail(self._refusal)
        else:
            self.pending.resolve(cast(T, self._value))  # set by `apply`; None only where T admits it

    def fail(self, error: Exception) -> None:
        """Nothing of it was stored."""
        self.pending.fail(error)


def flush(connection: sqlite3.Connection, heads: dict[str, Head], works: Sequence[Work[object]]) -> Transaction:
    """Apply all works in one transaction and commit it, or none: raises sqlite3.Error or ForeignChange."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        transaction = Transaction(connection, heads)
        for work in works:
            work.apply(transaction)
        transaction.move_heads()
        connection.execute("COMMIT")
    except BaseException:
        # Some errors (disk full, I/O) make SQLite roll back by itself. Where even this fails the error that led here
        # is the one to tell, and makes the writer open the file anew.
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return transaction

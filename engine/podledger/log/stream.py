"""The end of a stream: as it is stored (`Head`), and as it was handed in (`StreamEnd`), where appends must fit on.

Plain bookkeeping without any I/O, shared by the logs. Who stores what was admitted, and when, is theirs.
"""

from collections.abc import Sequence

from msgspec import Struct

from podledger.errors import InputError, LogError, PositionConflict, StaleEpoch
from podledger.event import Event
from podledger.log.codec import GENESIS, StoredBatch, encode_batch

__all__ = ["BATCH_ID_LIMIT", "Head", "StreamEnd"]

BATCH_ID_LIMIT = 64
"""Longest batch id, in UTF-8 bytes: every id is in an index, next to which the row itself should stay the larger."""


class Head(Struct, frozen=True):
    """The stored end of a stream: last position, the chain there, and who may write behind it."""

    position: int = 0
    chain: bytes = GENESIS
    epoch: int = 0
    holder: str = ""


class StreamEnd:
    """The end of a stream including all that was handed in, durable or not."""

    __slots__ = ("chain", "epoch", "holder", "position", "stream")

    def __init__(self, stream: str, head: Head) -> None:
        self.stream = stream
        self.position, self.chain, self.epoch, self.holder = head.position, head.chain, head.epoch, head.holder

    def continue_at(self, head: Head) -> None:
        """What was handed in behind this end is void."""
        self.position, self.chain = head.position, head.chain

    def take(self, holder: str) -> int:
        """Begin a new epoch; its number."""
        self.epoch += 1
        self.holder = holder
        return self.epoch

    def refusal(self, expected_position: int, epoch: int, batch_id: str) -> LogError | InputError | None:
        """Why an append may not be handed in now, or None if it may."""
        if self.epoch == 0:
            return StaleEpoch(f"stream {self.stream} was never taken; call take before append")
        if epoch != self.epoch:
            by = f" by {self.holder}" if self.holder else ""
            return StaleEpoch(f"stream {self.stream} was taken over{by}: epoch {epoch} is over, now is {self.epoch}")
        if expected_position != self.position:
            return PositionConflict(
                f"stream {self.stream} ends at position {self.position}, not at {expected_position} as expected"
            )
        if not 0 < len(batch_id.encode()) <= BATCH_ID_LIMIT:
            return InputError(f"batch_id {batch_id!r}: must have 1 to {BATCH_ID_LIMIT} bytes")
        return None

    def extend(self, events: Sequence[Event], batch_id: str) -> StoredBatch:
        """Put admitted events behind the end; the row that stores them. Raises InputError."""
        try:
            row = encode_batch(self.chain, self.stream, self.position + 1, self.epoch, batch_id, events)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"stream {self.stream}: an event cannot be encoded: {error}") from error
        self.position, self.chain = row.last, row.chain
        return row

    def __repr__(self) -> str:
        return f"<StreamEnd {self.stream} position={self.position} epoch={self.epoch}>"

"""The stored form of a batch: events as bytes, a digest for each, a chain over all. Pure; knows no file.

body   = msgpack array of the events, each encoded by itself, so that one can be blanked and the rest still stands.
digest = BLAKE2b-128 of an event's own bytes; `digests` are those of the batch, joined.
chain  = BLAKE2b-256 of (chain of the batch before, header, digests). It covers the body through the digests only,
         which is what lets compaction blank bodies without breaking it.
checksum = CRC-32 of the body: what every read can afford to check (20 ns an event against 350 for the digests).

Fixed for schema version 1; a change of any of it is a new schema version.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

import msgspec

from podledger.errors import DamagedLog, NewerSchema
from podledger.event import Blanked, Event
from podledger.ports import LogBatch

__all__ = [
    "BLANK",
    "CHAIN_BYTES",
    "DIGEST_BYTES",
    "GENESIS",
    "StoredBatch",
    "bad_digests",
    "check_body",
    "check_link",
    "decode_batch",
    "digest",
    "encode_batch",
    "join_body",
    "split_body",
]

DIGEST_BYTES = 16
CHAIN_BYTES = 32
GENESIS = bytes(CHAIN_BYTES)
"""The chain in front of the first batch of every stream."""

_encode = msgspec.msgpack.Encoder().encode
_decode_events = msgspec.msgpack.Decoder(list[Event]).decode
_decode_raw = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode

BLANK = _encode(Blanked())
"""The stored form of an event blanked by compaction."""


class StoredBatch(NamedTuple):
    """One row of table `batch`, in the order of its columns."""

    stream: str
    first: int
    last: int
    epoch: int
    id: str
    digests: bytes
    body: bytes
    checksum: int
    chain: bytes


def encode_batch(
    before: bytes, stream: str, first: int, epoch: int, batch_id: str, events: Sequence[Event]
) -> StoredBatch:
    """The row that stores `events` from position `first` on, behind the chain `before`. At least one event."""
    parts = [_encode(event) for event in events]
    digests = b"".join([digest(part) for part in parts])
    body = join_body(parts)
    last = first + len(parts) - 1
    chain = _link(before, stream, first, last, epoch, batch_id, digests)
    return StoredBatch(stream, first, last, epoch, batch_id, digests, body, crc32(body), chain)


def decode_batch(row: StoredBatch, after: int = 0) -> LogBatch:
    """The batch a row stores, without the events up to position `after`.

    Raises DamagedLog if the body is not what was written, NewerSchema if it is but holds an event unknown here.
    """
    check_body(row)
    try:
        events = _decode_events(row.body)
    except msgspec.DecodeError as error:
        raise NewerSchema(
            f"stream {row.stream}: an event between positions {row.first} and {row.last} is unknown to this podledger "
            f"({error}); upgrade podledger to read it"
        ) from error
    if len(events) != row.last - row.first + 1:
        raise DamagedLog(f"stream {row.stream}: events are missing from position {row.first} on", row.first)
    first = row.first
    if after >= first:
        events = events[after - first + 1 :]
        first = after + 1
    return LogBatch(first, row.last, row.epoch, row.id, events, row.chain)


def check_link(row: StoredBatch, stream: str, position: int, chain: bytes) -> None:
    """Check that a row follows directly on a position and its chain; its body is left alone. Raises DamagedLog."""
    if row.stream != stream or row.first != position + 1 or row.last < row.first:
        raise DamagedLog(
            f"stream {stream}: position {position + 1} is missing, {row.first} to {row.last} come in its place",
            position + 1,
        )
    count = row.last - row.first + 1
    if len(row.digests) != count * DIGEST_BYTES:
        raise DamagedLog(f"stream {stream}: the digests from position {row.first} on are damaged", row.first)
    if _link(chain, row.stream, row.first, row.last, row.epoch, row.id, row.digests) != row.chain:
        raise DamagedLog(f"stream {stream}: the chain breaks at position {row.first}", row.first)


def check_body(row: StoredBatch) -> None:
    """Check that a body is as it was stored last, by its checksum. Raises DamagedLog."""
    if crc32(row.body) != row.checksum:
        raise DamagedLog(f"stream {row.stream}: the events from position {row.first} on are damaged", row.first)


def bad_digests(row: StoredBatch) -> list[tuple[int, bool]]:
    """The positions in a row whose event is not what was appended, each with whether it is a blank instead.

    Raises DamagedLog if the body cannot even be taken apart.
    """
    check_body(row)
    parts = split_body(row)
    found: list[tuple[int, bool]] = []
    for offset, part in enumerate(parts):
        if digest(part) != row.digests[offset * DIGEST_BYTES : (offset + 1) * DIGEST_BYTES]:
            found.append((row.first + offset, part == BLANK))
    return found


def split_body(row: StoredBatch) -> list[bytes]:
    """The events of a row, each as its own bytes. Raises DamagedLog if they do not come to the row's count."""
    try:
        parts = [bytes(part) for part in _decode_raw(row.body)]
    except msgspec.DecodeError as error:
        raise DamagedLog(
            f"stream {row.stream}: the events from position {row.first} on are damaged ({error})", row.first
        ) from error
    if len(parts) != row.last - row.first + 1 or join_body(parts) != row.body:
        raise DamagedLog(f"stream {row.stream}: the events from position {row.first} on are damaged", row.first)
    return parts


def join_body(parts: Sequence[bytes]) -> bytes:
    """The body made of these events: a msgpack array."""
    count = len(parts)
    if count < 16:
        header = bytes((0x90 | count,))
    elif count < 1 << 16:
        header = b"\xdc" + count.to_bytes(2, "big")
    else:
        header = b"\xdd" + count.to_bytes(4, "big")
    return header + b"".join(parts)


def digest(part: bytes) -> bytes:
    """The digest of one event's bytes."""
    return blake2b(part, digest_size=DIGEST_BYTES).digest()


def _link(before: bytes, stream: str, first: int, last: int, epoch: int, batch_id: str, digests: bytes) -> bytes:
    header = _encode((stream, first, last, epoch, batch_id))
    return blake2b(before + header + digests, digest_size=CHAIN_BYTES).digest()

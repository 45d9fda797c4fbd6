"""The stored form of a batch: what goes in comes out, and nothing else passes for it."""

from collections.abc import Callable
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.log_events import events, gone

from podledger.errors import DamagedLog, NewerSchema
from podledger.event import Blanked, Event
from podledger.log.codec import (
    BLANK,
    GENESIS,
    StoredBatch,
    bad_digests,
    check_link,
    decode_batch,
    digest,
    encode_batch,
    join_body,
    split_body,
)

batches = st.lists(events, min_size=1, max_size=40)


def stored(batch: list[Event], first: int = 1) -> StoredBatch:
    return encode_batch(GENESIS, "main", first, 1, "1:0", batch)


@given(batches)
def test_what_is_encoded_is_decoded(batch: list[Event]) -> None:
    row = stored(batch)
    assert decode_batch(row).events == batch
    assert (row.first, row.last) == (1, len(batch))
    assert bad_digests(row) == []


@given(batches)
def test_a_body_is_the_msgpack_array_of_its_events(batch: list[Event]) -> None:
    assert stored(batch).body == msgspec.msgpack.encode(batch)


@pytest.mark.parametrize("count", [1, 15, 16, 0xFFFF, 0x10000])
def test_arrays_of_all_lengths_are_joined_as_msgpack_has_it(count: int) -> None:
    parts = [msgspec.msgpack.encode(1)] * count
    assert join_body(parts) == msgspec.msgpack.encode([1] * count)


@given(batches, batches)
def test_a_chain_links_batches_in_their_order(one: list[Event], two: list[Event]) -> None:
    first = encode_batch(GENESIS, "main", 1, 1, "a", one)
    second = encode_batch(first.chain, "main", first.last + 1, 1, "b", two)
    check_link(first, "main", 0, GENESIS)
    check_link(second, "main", first.last, first.chain)
    with pytest.raises(DamagedLog, match="position 1 is missing"):
        check_link(second, "main", 0, GENESIS)
    with pytest.raises(DamagedLog, match="chain breaks"):
        check_link(second, "main", first.last, GENESIS)


CHANGES: list[Callable[[StoredBatch], StoredBatch]] = [
    lambda row: row._replace(stream="other"),
    lambda row: row._replace(first=2),
    lambda row: row._replace(last=4),
    lambda row: row._replace(epoch=2),
    lambda row: row._replace(id="1:1"),
    lambda row: row._replace(digests=bytes(48)),
    lambda row: row._replace(digests=bytes(16)),
    lambda row: row._replace(chain=bytes(32)),
]


@pytest.mark.parametrize("change", CHANGES)
def test_no_field_of_a_row_can_change_unseen(change: Callable[[StoredBatch], StoredBatch]) -> None:
    with pytest.raises(DamagedLog) as caught:
        check_link(change(stored(gone(3))), "main", 0, GENESIS)
    assert caught.value.position == 1


@given(batches, st.data())
def test_every_flipped_bit_of_a_body_is_found(batch: list[Event], data: st.DataObject) -> None:
    row = stored(batch, first=8)
    bit = data.draw(st.integers(0, len(row.body) * 8 - 1))
    body = bytearray(row.body)
    body[bit // 8] ^= 1 << bit % 8
    damaged = row._replace(body=bytes(body))
    for check in (decode_batch, bad_digests):
        with pytest.raises(DamagedLog) as caught:
            check(damaged)
        assert caught.value.position == 8
    # Even if the checksum were made to fit, as a program at fault might, the digests tell.
    assert first_bad(damaged._replace(checksum=crc32(damaged.body))) is not None


def first_bad(row: StoredBatch) -> int | None:
    """The first position in a row that is not what was appended."""
    try:
        found = bad_digests(row)
    except DamagedLog as fault:
        return fault.position
    return found[0][0] if found else None


def test_a_blanked_event_reads_as_blank_and_is_told_apart_from_damage() -> None:
    row = stored(gone(3))
    parts = split_body(row)
    parts[1] = BLANK
    body = join_body(parts)
    blanked = row._replace(body=body, checksum=crc32(body))
    assert decode_batch(blanked).events == [gone(1)[0], Blanked(), gone(1, 2)[0]]
    assert bad_digests(blanked) == [(2, True)]
    check_link(blanked, "main", 0, GENESIS)


@pytest.mark.parametrize(
    "part", [[9999, "job"], [30], "text", {"job": 1}, [30, 5, "pod"]], ids=["tag", "short", "text", "map", "type"]
)
def test_an_event_this_podledger_does_not_know_is_never_guessed_at(part: object) -> None:
    body = join_body([msgspec.msgpack.encode(part)])
    row = StoredBatch("main", 1, 1, 1, "1:0", digest(body[1:]), body, crc32(body), bytes(32))
    with pytest.raises(NewerSchema, match="upgrade podledger"):
        decode_batch(row)


def test_a_batch_of_the_wrong_length_is_damaged() -> None:
    row = stored(gone(3))._replace(last=4)
    with pytest.raises(DamagedLog):
        decode_batch(row)
    with pytest.raises(DamagedLog):
        bad_digests(row)


def test_the_stored_form_is_fixed() -> None:
    """A change here makes every ledger there is unreadable: it is a new schema version, with a migration."""
    row = encode_batch(GENESIS, "main", 1, 1, "1:0", gone(2))
    assert row.body.hex() == "92941ea36a6f62a5706f642d30c2941ea36a6f62a5706f642d31c2"
    assert row.digests.hex() == "30f59d19984999737e4bea2f4ad8d27a8c16bb949053e18dd5603ac211397415"
    assert row.chain.hex() == "0e9215ca71debc5dd3c025ee5fd71943117487a2fbf32d652f2285238253d31f"

"""A writer of a ledger, to be killed, cut off from power or run out of disk: `python -m tests.system.log_writer`.

It appends to two streams and writes objects, each acknowledgement as a line into PATH.acks as soon as it has it:
`append STREAM POSITION`, `objects REVISION`, or `refused` for what the log would not take. What it appends is a
function of stream and position, so that whoever looks at the ledger later knows what has to be there.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from tests.log_events import stored_rows

from podledger.errors import LogUnavailable
from podledger.event import Event
from podledger.job.event import PodGone
from podledger.log import ObjectTable, ObjectWrite, SqliteLog, file
from podledger.log.pending import Append
from podledger.log.verification import verify_ledger
from podledger.ports import Taken

__all__ = [
    "STREAMS",
    "Acknowledged",
    "check_ledger",
    "expected_event",
    "read_acks",
    "write_for_a_while",
    "write_until_killed",
]

STREAMS: tuple[str, ...] = ("main", "shard-1")
LARGEST_APPEND = 12

Acknowledge = Callable[[str], None]


class Acknowledged(NamedTuple):
    """The highest position acknowledged for each stream, and the objects' revision."""

    positions: dict[str, int]
    revision: int


def expected_event(stream: str, position: int) -> Event:
    """What is stored at a position."""
    return PodGone(stream, f"pod-{position}-" + "x" * (position % 97))


def read_acks(text: str) -> Acknowledged:
    """What the writer's lines acknowledge; a last line without its end does not count."""
    positions, revision = dict.fromkeys(STREAMS, 0), 0
    for line in text.splitlines(keepends=True):
        words = line.split()
        if line.endswith("\n") and words[0] == "append":
            positions[words[1]] = int(words[2])
        elif line.endswith("\n") and words[0] == "objects":
            revision = int(words[1])
    return Acknowledged(positions, revision)


async def write_for_a_while(path: Path, rounds: int, seed: int, acknowledge: Acknowledge) -> None:
    """Open, write some rounds of appends and objects in a seeded mix, close."""
    draws = random.Random(seed)
    async with SqliteLog.open(path) as log:
        holders = {stream: await _take(log, stream, acknowledge) for stream in STREAMS}
        positions = {stream: taken.position for stream, taken in holders.items()}
        objects = log.objects()
        revision = (await objects.load()).revision
        for _ in range(rounds):
            stream = draws.choice(STREAMS)
            appends: list[Append] = []
            try:
                for _ in range(draws.randint(1, 3)):
                    first = positions[stream] + 1
                    events = [expected_event(stream, first + n) for n in range(draws.randint(1, LARGEST_APPEND))]
                    epoch = holders[stream].epoch
                    appends.append(
                        log.append_nowait(
                            stream, events, expected_position=first - 1, epoch=epoch, batch_id=f"{epoch}:{first}"
                        )
                    )
                    positions[stream] += len(events)
                revision = await write_objects(objects, revision + 1, acknowledge)
                for pending in appends:
                    acknowledge(f"append {stream} {await pending.wait()}\n")
            except LogUnavailable:
                acknowledge("refused\n")
                heads = await log.heads()
                positions = {name: heads[name].position for name in STREAMS}
                revision = (await objects.load()).revision


async def _take(log: SqliteLog, stream: str, acknowledge: Acknowledge) -> Taken:
    try:
        return await log.take(stream, "writer")
    except LogUnavailable:
        acknowledge("refused\n")
        return await log.take(stream, "writer")


async def write_objects(objects: ObjectTable, revision: int, acknowledge: Acknowledge) -> int:
    """Bring a few objects to a revision; the revision."""
    writes = [ObjectWrite("Pod", "default", f"pod-{number}", b"%d" % revision) for number in range(3)]
    await objects.write_nowait(writes, revision).wait()
    acknowledge(f"objects {revision}\n")
    return revision


def check_ledger(path: Path, acknowledged: Acknowledged, *, most: Acknowledged | None = None) -> None:
    """All that was acknowledged is there, everything that is there is whole, and nothing is there that was not written.

    `most` is what may be there at most, where that is known.
    """
    asyncio.run(_open_and_check_objects(path, acknowledged))
    found = verify_ledger(path)
    assert found.sound, found.faults
    for stream in STREAMS:
        rows = [row for row in stored_rows(path) if row.stream == stream]
        position = rows[-1].last if rows else 0
        assert position >= acknowledged.positions[stream], f"{stream} lost what was acknowledged"
        if most is not None:
            assert position <= most.positions[stream], f"{stream} has what was refused"


async def _open_and_check_objects(path: Path, acknowledged: Acknowledged) -> None:
    async with SqliteLog.open(path) as log:
        loaded = await log.objects().load()
        assert loaded.revision >= acknowledged.revision
        assert {row.body for row in loaded.objects} <= {b"%d" % loaded.revision}, "half of a write of objects"
        for stream in STREAMS:
            position = 0
            async for batch in log.read(stream):
                for event in batch.events:
                    position += 1
                    assert event == expected_event(stream, position)


def write_until_killed(path: Path, seed: int, acks: Connection) -> None:
    """What a process does that is going to be killed; acknowledgements go into the pipe."""
    asyncio.run(write_for_a_while(path, 10_000, seed, lambda line: acks.send_bytes(line.encode())))


def main(arguments: list[str]) -> None:
    """PATH ROUNDS SEED CHECKPOINT_PAGES: write twice so many rounds, closing in between."""
    path, rounds, seed = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    file.WAL_PAGES = int(arguments[3])
    acks = os.open(path.with_name(path.name + ".acks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for turn in range(2):
        asyncio.run(write_for_a_while(path, rounds, seed + turn, lambda line: _write(acks, line)))
    os.close(acks)


def _write(descriptor: int, line: str) -> None:
    os.write(descriptor, line.encode())


if __name__ == "__main__":
    main(sys.argv[1:])

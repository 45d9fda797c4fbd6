"""Events and ledgers for the tests of the log: strategies, quick ways to fill a ledger, and ways to look into one."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from podledger.api.job import JobSpec, JobStatus, LabelSelector, PodTemplateSpec
from podledger.event import ClusterRewound, EpochTaken, Event, ListGap, StreamStarted
from podledger.job.event import JobGone, JobSet, PodCreated, PodFailed, PodGone, PodReleased, StatusIntended
from podledger.log import SqliteLog
from podledger.log.codec import StoredBatch
from podledger.ports import EventLog, Taken

__all__ = ["append_all", "events", "gone", "life_of_job", "make_ledger", "stored_rows"]

_text = st.text(max_size=12)
_uids = st.sampled_from(["job-a", "job-b", "job-c"])
_seconds = st.integers(0, 2**33)
_values = st.none() | st.integers(-(2**63), 2**64 - 1) | _text
_spec = st.builds(
    JobSpec,
    parallelism=st.none() | st.integers(0, 2**31 - 1),
    selector=st.none() | st.builds(LabelSelector, match_labels=st.dictionaries(_text, _text, max_size=2)),
    template=st.builds(PodTemplateSpec, spec=st.dictionaries(_text, _values, max_size=3)),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(StreamStarted, _text),
    st.builds(EpochTaken, st.integers(1, 9), _text, st.floats(0, 2e9)),
    st.builds(ClusterRewound, _text, _text, _text, st.floats(0, 2e9)),
    st.builds(ListGap, _text, st.floats(0, 2e9), _text),
    st.builds(JobSet, _uids, _text, _text, _text, st.integers(0, 9), _seconds, _spec),
    st.builds(PodCreated, _uids, _text, _text, _text, _seconds, _text, st.integers(-1, 9), st.booleans()),
    st.builds(
        PodFailed,
        _uids,
        _text,
        _seconds,
        _text,
        _text,
        st.lists(st.tuples(_text, st.integers(0, 255)), max_size=2).map(tuple),
        st.lists(st.tuples(_text, _text), max_size=2).map(tuple),
    ),
    st.builds(StatusIntended, _uids, _text, st.builds(JobStatus, active=st.integers(0, 2**31 - 1))),
)
"""Events of many shapes; not a sensible history."""


def gone(count: int, start: int = 0) -> list[Event]:
    """Events that are easily told apart."""
    return [PodGone("job", f"pod-{number}") for number in range(start, start + count)]


def life_of_job(uid: str, *, pods: int = 2, deleted: bool = False, held: bool = False) -> list[Event]:
    """A Job from its first sight on; with `deleted` to its end, of which `held` keeps the pods."""
    found: list[Event] = [JobSet(uid, "default", uid, "1", 1, 1_700_000_000, JobSpec())]
    for number in range(pods):
        found.append(PodCreated(uid, f"{uid}-{number}", f"{uid}-{number}", "2", 1_700_000_001))
        if not held:
            found.append(PodReleased(uid, f"{uid}-{number}"))
        if deleted and not held:
            found.append(PodGone(uid, f"{uid}-{number}"))
    if deleted:
        found.append(JobGone(uid))
    return found


async def append_all(log: EventLog, batches: Sequence[Sequence[Event]], stream: str = "main") -> Taken:
    """Take the stream and append these batches, in one go; where the stream then ends."""
    if not batches:
        return Taken(0, 0)
    epoch, position = await log.take(stream, "test")
    for batch in batches:
        batch_id = f"{epoch}:{position}"
        log.append_nowait(stream, batch, expected_position=position, epoch=epoch, batch_id=batch_id)
        position += len(batch)
    await log.append(stream, [], expected_position=position, epoch=epoch, batch_id="end")
    return Taken(epoch, position)


async def make_ledger(path: Path, batches: Sequence[Sequence[Event]]) -> Path:
    """A closed ledger that holds these batches."""
    async with SqliteLog.open(path) as log:
        await append_all(log, batches)
    return path


def stored_rows(path: Path) -> list[StoredBatch]:
    """The batch rows of a closed ledger, as they are."""
    connection = sqlite3.connect(path)
    try:
        columns = "stream, first, last, epoch, id, digests, body, checksum, chain"
        return [StoredBatch(*row) for row in connection.execute(f"SELECT {columns} FROM batch ORDER BY rowid")]
    finally:
        connection.close()

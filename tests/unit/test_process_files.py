"""The files of a pod: the lock, the record in one step, FIFOs, and logs that rotate under a reader."""

import os
from pathlib import Path

import pytest

from podledger_adapters.nodes.process.log_reader import LogSignals, read_log, read_timed_log
from podledger_adapters.nodes.process.shim import logs
from podledger_adapters.nodes.process.shim.logs import LogWriter, segment_name, segments
from podledger_adapters.nodes.process.shim.record import PodRecord, poke, read_json, write_json


@pytest.fixture
def record(tmp_path: Path) -> PodRecord:
    (tmp_path / "uid").mkdir()
    return PodRecord(str(tmp_path), "uid")


def test_the_lock_is_held_by_one_and_freed_with_its_descriptor(record: PodRecord) -> None:
    assert not record.locked()
    first = record.lock()
    assert first is not None
    assert record.lock() is None
    assert record.locked()
    os.close(first)
    assert not record.locked()


def test_a_directory_that_is_gone_is_locked_by_nobody(tmp_path: Path) -> None:
    assert not PodRecord(str(tmp_path), "gone").locked()


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "value.json"
    assert read_json(str(path)) is None
    for value in ({"a": 1}, {"b": [None, "ü"]}):
        write_json(str(path), value, durable=durable)
        assert read_json(str(path)) == value
    assert [each.name for each in tmp_path.iterdir()] == ["value.json"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(str(path), {"a": 1}, durable=True)
    with pytest.raises(TypeError):
        write_json(str(path), {"a": object()}, durable=True)
    assert read_json(str(path)) == {"a": 1}


def test_poking_never_blocks_and_says_whether_somebody_listens(tmp_path: Path, record: PodRecord) -> None:
    fifo, plain = str(tmp_path / "fifo"), tmp_path / "plain"
    assert not poke(fifo, "x")
    plain.write_text("kept")
    assert not poke(str(plain), "x")
    assert plain.read_text() == "kept"
    control = record.make_control()
    try:
        assert poke(record.control_path, "stop")
        assert os.read(control, 100) == b"stop\n"
        while poke(record.control_path, "y" * 100):
            pass  # until it is full
    finally:
        os.close(control)
    assert not poke(record.control_path, "x")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_FILE_SIZE", 10)
    monkeypatch.setattr(logs, "MAX_FILES", 3)


async def collect(directory: Path, attempt: int = 0) -> bytes:
    return b"".join([chunk async for chunk in read_log(directory, attempt, ended=lambda: True)])


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_logs_keep_the_newest_files_within_their_bounds(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path), 0)
    text = b"".join(b"%02d|" % number for number in range(20))
    for start in range(0, len(text), 7):
        writer.write(text[start : start + 7])
    writer.close()
    assert segments(str(tmp_path)) == {0: [3, 4, 5]}
    assert all(each.stat().st_size <= 10 for each in tmp_path.glob("*.log"))
    assert sorted(each.name for each in tmp_path.glob("*.times")) == ["0.3.times", "0.4.times", "0.5.times"]
    assert await collect(tmp_path) == text[30:]


@pytest.mark.asyncio
async def test_of_earlier_attempts_the_last_is_kept(tmp_path: Path) -> None:
    for attempt in range(4):
        writer = LogWriter(str(tmp_path), attempt)
        writer.write(b"attempt %d" % attempt)
        writer.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["2.log", "2.times", "3.log", "3.times"]
    assert await collect(tmp_path, 2) == b"attempt 2"


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_each_write_is_read_with_its_time_also_across_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100, 200, 300, 400])
    monkeypatch.setattr("podledger_adapters.nodes.process.shim.logs.time.time_ns", lambda: next(times))
    writer = LogWriter(str(tmp_path), 0)
    for text in (b"one\n", b"two\n", b"three\n"):
        writer.write(text)
    writer.close()
    batches = [chunks async for chunks in read_timed_log(tmp_path, 0, ended=lambda: True)]
    assert batches[-1] == ()
    assert [(chunk.time_ns, chunk.data) for chunks in batches for chunk in chunks] == [
        (100, b"one\n"),
        (200, b"two\n"),
        (300, b"th"),
        (400, b"ree\n"),
    ]


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_a_follower_goes_on_through_rotation_until_the_end(tmp_path: Path) -> None:
    writer, written = LogWriter(str(tmp_path), 0), 0

    def ended() -> bool:
        # Called in each round: the container writes a little, and ends after a while.
        nonlocal written
        if written < 60:
            writer.write(b"%05d\n" % written)
            written += 6
            return False
        writer.close()
        return True

    signals = LogSignals()
    with signals.listen(tmp_path) as signal, signals.listen(tmp_path) as same:
        assert signal is same
        chunks = [chunk async for chunk in read_log(tmp_path, 0, ended=ended, signal=signal)]
    assert b"".join(chunks) == b"".join(b"%05d\n" % number for number in range(0, 60, 6))


@pytest.mark.asyncio
@pytest.mark.usefixtures("small")
async def test_a_reader_that_rotation_overtook_goes_on_with_what_is_left(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path), 0)
    writer.write(b"a" * 15)
    reading = read_log(tmp_path, 0, ended=lambda: True)
    first = await anext(reading)
    writer.write(b"b" * 45)
    rest = b"".join([chunk async for chunk in reading])
    writer.close()
    assert first == b"a" * 10
    assert rest == b"b" * 30


def test_other_files_beside_the_logs_are_not_taken_for_them(tmp_path: Path) -> None:
    names = [segment_name(0, 0), segment_name(0, 10), segment_name(0, 9), segment_name(12, 0), "0.log.gz", "x.log"]
    for name in names:
        (tmp_path / name).touch()
    assert segments(str(tmp_path)) == {0: [0, 9, 10], 12: [0]}
    assert segments(str(tmp_path / "missing")) == {}


def test_a_log_that_cannot_be_written_is_dropped_and_stops_nobody(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path), 0)
    (tmp_path / "0.log").unlink()
    tmp_path.joinpath("0.log").mkdir()
    writer.close()
    writer.write(b"into nothing")
    again = LogWriter(str(tmp_path), 0)
    again.write(b"into nothing")
    again.close()
    assert list((tmp_path / "0.log").iterdir()) == []

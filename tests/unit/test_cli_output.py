"""What a run writes while it goes on: in order, bounded, to pipes and terminals, whoever stops reading."""

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime

import anyio
import pytest
from rich.console import Console

from podledger.api import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodStatus,
)
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.live import LiveWriter
from podledger_adapters.cli.output import MAX_WAITING, Output
from podledger_adapters.cli.progress import QUIET_S, JobProgress, PlainProgress, next_restart_s
from podledger_adapters.cli.writer import LineWriter, print_result, write_all


def progress(name: str = "a", status: str = "Running", **fields: object) -> JobProgress:
    job = JobProgress(name, status, 0, 8, 0, 0, 0, 0, 3.0, None)
    return job._replace(**fields)  # type: ignore[arg-type] # fields are those of the tuple


class Recorder:
    """A writer that keeps what it gets."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.seen: list[Sequence[JobProgress]] = []
        self.closed = False

    def logs(self, data: bytes) -> None:
        self.written.append(data.decode())

    def note(self, text: str) -> None:
        self.written.append(f"note {text}\n")

    def progress(self, jobs: Sequence[JobProgress]) -> None:
        self.seen.append(jobs)

    def close(self) -> None:
        self.closed = True


def crashed(ended_s: float, message: str, reason: str = "CrashLoopBackOff") -> Pod:
    waits = ContainerStatus(
        name="main",
        state=ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message)),
        last_state=ContainerState(
            terminated=ContainerStateTerminated(finished_at=datetime.fromtimestamp(ended_s, UTC), exit_code=1)
        ),
    )
    return Pod(status=PodStatus(phase="Running", container_statuses=(waits,)))


def test_the_next_restart_is_the_first_that_a_kubelet_told_of() -> None:
    late = crashed(1000.0, "back-off 1m20s restarting failed container=main pod=p_default(u)")
    soon = crashed(1060.0, "back-off 10s restarting failed container=main pod=q_default(u)")
    other = crashed(900.0, "back-off 10s restarting", reason="RestartingAllContainers")
    assert next_restart_s([late, soon, other]) == 1070.0
    assert next_restart_s([late]) == 1080.0
    assert next_restart_s([other, Pod(), crashed(1.0, "some other runtime's words")]) is None


def test_a_restart_that_is_waited_for_is_worth_a_line_each_time() -> None:
    plain = PlainProgress()
    assert len(plain.lines([progress()], 0.0)) == 1
    (line,) = plain.lines([progress(running=0, pending=1, restart_in_s=9.4)], 0.1)
    assert line == "a: Running, 0/8, 1 pending, CrashLoopBackOff, restart in 10s (3s)"
    assert plain.lines([progress(pending=1, restart_in_s=8.4)], 0.2) == []
    # It is not worth one that the wait is over; the next wait is.
    assert plain.lines([progress(running=1)], QUIET_S + 1) != []
    assert len(plain.lines([progress(pending=1, restart_in_s=20.0)], QUIET_S + 1.1)) == 1


@pytest.mark.asyncio
async def test_all_that_was_said_is_written_in_order_before_it_closes() -> None:
    recorder = Recorder()
    output = Output(recorder, lambda: [progress()])
    async with output.open():
        for i in range(3 * MAX_WAITING):
            await output.logs(f"{i}\n".encode())
        await output.note("done")
        await output.logs(b"last\n")
    lines = "".join(recorder.written).splitlines()
    assert lines == [*map(str, range(3 * MAX_WAITING)), "note done", "last"]
    assert recorder.closed
    assert recorder.seen[0] == [progress()]


@pytest.mark.asyncio
async def test_what_was_said_is_written_though_the_run_is_cancelled() -> None:
    recorder = Recorder()
    output = Output(recorder, list)
    with anyio.CancelScope() as scope:
        async with output.open():
            await output.note("before")
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert recorder.written == ["note before\n"]
    assert recorder.closed


def test_a_pipe_gets_logs_on_one_stream_and_notes_on_the_other() -> None:
    logs, notes = io.BytesIO(), io.BytesIO()
    writer = LineWriter(logs, notes)
    writer.logs(b"a | 1\n")
    writer.note("hello")
    writer.progress([progress(running=2, retry_in_s=9.2, failed=1)])
    writer.close()
    assert logs.getvalue() == b"a | 1\n"
    assert notes.getvalue().decode().splitlines() == [
        "hello",
        "a: Running, 0/8, 2 running, 1 failed, next retry in 10s (3s)",
    ]


def test_a_reader_that_left_is_told_of_once_and_the_rest_dropped() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    notes = io.BytesIO()
    with os.fdopen(write_end, "wb", buffering=0) as pipe:
        writer = LineWriter(pipe, notes)
        writer.logs(b"1\n")
        writer.logs(b"2\n")
    told = notes.getvalue().decode()
    assert told.count("\n") == 1
    assert "the pods' output cannot be written (Broken pipe)" in told


def test_writing_says_why_it_cannot() -> None:
    assert write_all(io.BytesIO(), b"x") is None
    closed = io.BytesIO()
    closed.close()
    assert write_all(closed, b"x") is not None


def test_a_terminal_shows_logs_above_and_progress_below_and_is_left_clean() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, legacy_windows=False, _environ={"TERM": "xterm"})
    writer = LiveWriter(console)
    writer.progress([progress(running=2)])
    writer.logs(b"\x1b[36ma |\x1b[0m one\n\x1b[36ma |\x1b[0m " + b"3" * 200 + b"\n")
    writer.note("a note")
    drawn = screen.getvalue()
    writer.close()
    assert "3" * 200 in drawn  # never cut or wrapped by us
    assert "\x1b[36ma |\x1b[0m one\n" in drawn
    assert "a note\n" in drawn
    assert drawn.count("2 running") == 3  # redrawn below whatever is printed
    assert screen.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # cursor shown, progress taken away


def test_a_terminal_that_is_gone_ends_the_drawing_only() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    console = Console(file=Gone(), force_terminal=True, width=80, _environ={"TERM": "xterm"})
    elsewhere = io.BytesIO()
    writer = LiveWriter(console, elsewhere)
    writer.progress([progress()])
    writer.note("lost")
    writer.logs(b"kept\n")
    writer.close()
    assert elsewhere.getvalue() == b"kept\n"


def test_plain_progress_tells_at_once_what_matters_and_else_seldom() -> None:
    plain = PlainProgress()
    assert plain.lines([progress()], 100.0) == ["a: Running, 0/8 (3s)"]
    assert plain.lines([progress(elapsed_s=4.0)], 100.3) == []
    assert plain.lines([progress(succeeded=1)], 100.6) == []
    assert plain.lines([progress(succeeded=2, running=1)], 100.0 + QUIET_S) == ["a: Running, 2/8, 1 running (3s)"]
    assert plain.lines([progress(succeeded=2, failed=1, retry_in_s=10.0)], 105.3) == [
        "a: Running, 2/8, 1 failed, next retry in 10s (3s)"
    ]
    assert plain.lines([progress(succeeded=2, failed=1, retry_in_s=9.0)], 106.3) == []
    assert plain.lines([progress(status="Complete", succeeded=8, failed=1)], 106.5) == [
        "a: Complete, 8/8, 1 failed (3s)"
    ]


def test_many_jobs_are_told_of_together() -> None:
    plain = PlainProgress()
    jobs = [progress(f"j{i}") for i in range(30)]
    assert list(plain.lines(jobs, 100.0)) == ["30 Jobs: 30 Running; 0 pods succeeded"]
    assert not plain.lines(jobs, 100.0 + QUIET_S)
    done = [job._replace(status="Complete", succeeded=8) for job in jobs]
    assert list(plain.lines(done, 101.0 + QUIET_S)) == ["30 Jobs: 30 Complete; 240 pods succeeded"]
    assert not plain.lines(done, 102.0 + 2 * QUIET_S)


def test_a_work_queue_has_no_goal() -> None:
    assert PlainProgress().lines([progress(goal=None, succeeded=1)], 9.0) == ["a: Running, 1 succeeded (3s)"]


def unbuffered(descriptor: int) -> io.TextIOWrapper:
    """A stdout as PYTHONUNBUFFERED makes it."""
    return io.TextIOWrapper(os.fdopen(descriptor, "wb", buffering=0), write_through=True)


def test_a_reader_that_left_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with unbuffered(writing) as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert print_result("a\n", ExitCode.OK) == ExitCode.OK
        assert print_result("a\n", ExitCode.FAILED) == ExitCode.FAILED


def test_a_result_that_finds_no_room_is_said_and_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for code, ends in ((ExitCode.OK, ExitCode.UNREACHABLE), (ExitCode.FAILED, ExitCode.FAILED)):
        with unbuffered(os.open("/dev/full", os.O_WRONLY)) as stdout:
            monkeypatch.setattr("sys.stdout", stdout)
            assert print_result("a\n", code) == ends
    said = capsys.readouterr().err
    assert said == "error: the result cannot be written to stdout: No space left on device\n" * 2

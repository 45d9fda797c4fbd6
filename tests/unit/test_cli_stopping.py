"""When a run shall stop, and where it keeps its ledger."""

import stat
from pathlib import Path

import anyio
import pytest

from podledger.clock import VirtualClock
from podledger.errors import InputError, LogUnavailable
from podledger_adapters.cli.report import resume_command
from podledger_adapters.cli.stopping import Stop, StopReason
from podledger_adapters.workspace import Workspace


def test_the_first_reason_counts_and_the_second_is_urgent() -> None:
    stop = Stop()
    stop.request(StopReason.TIMEOUT)
    assert (stop.reason, stop.requested.is_set(), stop.urgent.is_set()) == (StopReason.TIMEOUT, True, False)
    stop.request(StopReason.INTERRUPT)
    assert (stop.reason, stop.urgent.is_set()) == (StopReason.TIMEOUT, True)


@pytest.mark.asyncio
async def test_a_timeout_is_a_duration_whatever_is_done_to_the_wall_clock() -> None:
    clock, stop = VirtualClock(), Stop()
    began, noon = clock.monotonic(), clock.now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop.after, clock, 60.0)
        await clock.sleep_until(noon + 10)
        clock.set_wall(noon + 86_400)
    assert (stop.reason, clock.monotonic() - began) == (StopReason.TIMEOUT, 60.0)


@pytest.mark.asyncio
async def test_a_timeout_behind_a_signal_is_not_urgent() -> None:
    clock, stop = VirtualClock(), Stop()
    stop.request(StopReason.INTERRUPT)
    await stop.after(clock, 5.0)
    assert (stop.reason, stop.urgent.is_set()) == (StopReason.INTERRUPT, False)


def test_a_temporary_ledger_is_its_users_alone_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    workspace = Workspace(None)
    directory = workspace.ledger.parent
    assert directory.parent == tmp_path
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    workspace.pods.mkdir()
    workspace.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_named_ledger_stays(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "a.db"))
    workspace.ledger.touch()
    workspace.remove()
    assert workspace.ledger.exists()
    assert workspace.pods == tmp_path / "a.db.pods"


def test_what_cannot_be_a_ledger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="only files can be ledgers yet"):
        Workspace("postgresql://localhost/jobs")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(LogUnavailable, match="set TMPDIR, or give --db PATH"):
        Workspace(None)


def test_the_command_to_resume_names_the_ledger_once() -> None:
    ledger = Path("/tmp/x y/ledger.db")
    assert resume_command(["pl", "run", "a.yaml"], ledger) == "podledger run a.yaml --db '/tmp/x y/ledger.db'"
    assert resume_command(["pl", "run", "--db=j.db", "a.yaml"], ledger) == "podledger run --db=j.db a.yaml"
    assert resume_command(["pl", "run", "a.yaml", "--db", "j.db"], ledger) == "podledger run a.yaml --db j.db"

"""`podledger log`: what it prints, as text and as JSON, and how it ends."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.log_events import life_of_job, make_ledger

from podledger_adapters.cli.__main__ import main


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str | Path) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(["log", *map(str, words)])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    return run


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    batches = [life_of_job("over", deleted=True), life_of_job("alive")]
    return asyncio.run(make_ledger(tmp_path / "ledger.db", batches))


def test_info_says_what_is_in_a_ledger(log: Command, ledger: Path) -> None:
    code, out, err = log("info", ledger)
    assert (code, err) == (0, "")
    assert "stream main: 13 events in 2 batches" in out
    assert "schema version 1" in out
    found = json.loads(log("info", ledger, "-o", "json").out)
    assert found["streams"][0]["position"] == 13


def test_verify_ends_well_for_a_sound_ledger(log: Command, ledger: Path) -> None:
    code, out, err = log("verify", "--db", ledger)
    assert (code, err) == (0, "")
    assert out.endswith("sound\n")
    assert json.loads(log("verify", ledger, "-o", "json").out)["sound"] is True


def test_verify_names_every_fault_and_ends_with_one(log: Command, ledger: Path) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute("DELETE FROM batch WHERE first = 1")
    connection.commit()
    connection.close()
    code, out, err = log("verify", ledger)
    assert code == 1
    assert "NOT SOUND: 1 fault;" in out
    assert err == f"fault: {ledger}: stream main: position 1 is missing, 9 to 13 come in its place\n"
    ended = log("verify", ledger, "-o", "json")
    assert ended.code == 1
    assert json.loads(ended.out)["faults"][0]["position"] == 1


def test_compact_says_what_was_blanked(log: Command, ledger: Path) -> None:
    code, out, err = log("compact", ledger)
    assert (code, err) == (0, "")
    assert "stream main: 8 events of 1 deleted Job blanked" in out
    again = json.loads(log("compact", ledger, "-o", "json").out)
    assert again["streams"] == [{"name": "main", "jobs": 0, "events": 0}]
    assert "8 of them compacted" in log("verify", ledger).out


def test_copy_makes_a_ledger_of_its_own(log: Command, ledger: Path) -> None:
    copy = ledger.with_name("copy.db")
    code, out, _ = log("copy", ledger, copy)
    assert code == 0
    assert "main at position 13" in out
    assert log("verify", copy).code == 0
    code, out, err = log("copy", ledger, copy, "-o", "json")
    assert (code, out) == (2, "")
    assert err == f"error: {copy}: exists already; name another file, or remove it first\n"


@pytest.mark.parametrize("command", ["info", "verify", "compact"])
def test_what_is_no_ledger_is_one_line_and_left_alone(log: Command, tmp_path: Path, command: str) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for path in (notes, tmp_path / "missing.db", tmp_path):
        code, out, err = log(command, path)
        assert (code, out) == (3, "")
        assert err.startswith(f"error: {path}: ")
        assert err.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
    assert notes.read_text() == "mine"


def test_wrong_usage_is_one_line(log: Command, ledger: Path) -> None:
    for words in (["info"], ["verify", ledger, "-o", "yaml"], ["nonsense", ledger]):
        code, out, err = log(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)

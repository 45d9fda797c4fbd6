"""examples/embed.py does what its opening says: one seed, one status; and, in memory, one log."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.repository.tree import ROOT

PODS = 150


def embed(*options: str) -> str:
    """What the script prints."""
    command = [sys.executable, str(ROOT / "examples/embed.py"), "--pods", str(PODS), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_one_seed_gives_one_status_and_one_log_event_for_event() -> None:
    first = embed()
    assert first == embed()
    assert first != embed("--seed", "8")


@pytest.mark.parametrize("failing", ["0", "0.2", "1"])
def test_every_index_ends_once(failing: str) -> None:
    status = yaml.safe_load(embed("--failing", failing))["status"]
    types = [condition["type"] for condition in status["conditions"]]
    assert types[-1] == ("Complete" if status.get("succeeded") == PODS else "Failed")
    assert status.get("succeeded", 0) + len(expand(status.get("failedIndexes", ""))) == PODS
    assert status["uncountedTerminatedPods"] == {}


def test_a_log_on_disk_gives_the_same_status(tmp_path: Path) -> None:
    in_memory, on_disk = yaml.safe_load(embed()), yaml.safe_load(embed("--db", str(tmp_path / "jobs.db")))
    assert counts(in_memory["status"]) == counts(on_disk["status"])


def counts(status: dict[str, object]) -> dict[str, object]:
    """A status without its times, which fall as the disk's do."""
    kept = ("succeeded", "failed", "completedIndexes", "failedIndexes")
    return {key: status.get(key) for key in kept}


def expand(text: str) -> list[int]:
    """The indexes of Kubernetes' interval notation."""
    bounds = [part.partition("-") for part in text.split(",") if part]
    return [index for first, _, last in bounds for index in range(int(first), int(last or first) + 1)]

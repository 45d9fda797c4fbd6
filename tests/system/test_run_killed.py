"""`kill -9` at any moment loses nothing and does nothing twice: no pod is cut off, none runs again."""

import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job, left_over, podledger, start_podledger, stored_job, write_manifest

SEED = 20301
KILLS = 20
PODS = 200
LONGEST_LIFE_S = 1.2
"""From a podledger that was still starting to one in the middle of its work."""


def test_twenty_kills_and_every_index_ran_exactly_once(tmp_path: Path) -> None:
    # One short write in append mode is whole; the pause leaves pods running when podledger is killed.
    script = 'sleep 0.4; echo "$JOB_COMPLETION_INDEX" >> done'
    spec: dict[str, Any] = {"completions": PODS, "parallelism": 8, "completionMode": "Indexed"}
    manifest = write_manifest(tmp_path, job("killed", ["sh", "-c", script], **spec))
    draw = random.Random(SEED)
    for life in range(KILLS):
        said = tmp_path / f"life-{life}"
        with said.open("w") as out:
            process = start_podledger("run", manifest, "--db", "a.db", cwd=tmp_path, stdout=out, stderr=out)
        with process:
            try:
                process.wait(draw.uniform(0.1, LONGEST_LIFE_S))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                continue
        pytest.fail(f"life {life} ended by itself with exit code {process.returncode}: {said.read_text()}")
    ended = podledger("run", manifest, "--db", "a.db", "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    status = stored_job(ended.stdout)["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (PODS, f"0-{PODS - 1}")
    assert "failed" not in status
    assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(PODS))
    assert podledger("log", "verify", "a.db", cwd=tmp_path).returncode == 0
    assert left_over(tmp_path) == []

"""The import contracts hold what they promise, also for files that are added later."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.repository.tree import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The two packages and the contracts, to be spoilt."""
    for folder in ("engine", "adapters"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(copy: Path) -> tuple[int, str]:
    """Exit status and output of lint-imports on the copy."""
    roots = os.pathsep.join(str(copy / folder) for folder in ("engine", "adapters"))
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": roots, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_contracts_hold(copy: Path) -> None:
    status, output = lint(copy)
    assert status == 0, output


@pytest.mark.parametrize(
    ("file", "line", "chain"),
    [
        ("engine/podledger/job/added_later.py", "import time", "podledger.job.added_later -> time"),
        ("engine/podledger/job/added_later.py", "import random", "podledger.job.added_later -> random"),
        ("engine/podledger/cron/added_later.py", "import asyncio", "podledger.cron.added_later -> asyncio"),
        ("engine/podledger/api/added_later.py", "import podledger.cron", "podledger.api.added_later -> podledger.cron"),
        (
            "engine/podledger/job/added_later.py",
            "from podledger import log",
            "podledger.job.added_later -> podledger.log",
        ),
        ("engine/podledger/api/added_later.py", "import asyncio", "podledger.api.added_later -> asyncio"),
        ("engine/podledger/api/added_later.py", "import podledger.job", "podledger.api.added_later -> podledger.job"),
        (
            "adapters/podledger_adapters/server/added_later.py",
            "import podledger_adapters.cli.output",
            "podledger_adapters.server.added_later -> podledger_adapters.cli",
        ),
        ("engine/podledger/added_later.py", "import podledger_adapters", "podledger.added_later -> podledger_adapters"),
    ],
)
def test_a_file_added_later_is_held_to_them(copy: Path, file: str, line: str, chain: str) -> None:
    (copy / file).write_text(f"{line}\n")
    status, output = lint(copy)
    assert status == 1, output
    assert chain in " ".join(output.split())

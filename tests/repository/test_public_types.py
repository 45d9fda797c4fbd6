"""Users' type checkers see the public surface: from another project, both in strict mode, nothing is unknown."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.repository.tree import ROOT

BIN = Path(sys.executable).parent
CHECKERS = {
    "mypy": ["mypy", "--strict", "--python-executable", sys.executable, "surface.py"],
    "pyright": ["pyright", "--pythonpath", sys.executable, "--project", "pyrightconfig.json"],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of somebody else's, with the revealed types as its only file."""
    shutil.copy(ROOT / "tests/repository/typing_public.py", tmp_path / "surface.py")
    (tmp_path / "pyrightconfig.json").write_text('{"include": ["surface.py"], "typeCheckingMode": "strict"}')
    return tmp_path


def check(name: str, project: Path) -> subprocess.CompletedProcess[str]:
    tool, *options = CHECKERS[name]
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command = [str(BIN / tool), *options]
    return subprocess.run(command, cwd=project, env=quiet, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CHECKERS)
def test_the_types_are_as_revealed(name: str, project: Path) -> None:
    checked = check(name, project)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", CHECKERS)
def test_a_wrong_expectation_is_told(name: str, project: Path) -> None:
    surface = project / "surface.py"
    wrong = surface.read_text().replace("assert_type(job.key, JobKey)", "assert_type(job.key, str)")
    surface.write_text(wrong)
    checked = check(name, project)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "JobKey" in checked.stdout

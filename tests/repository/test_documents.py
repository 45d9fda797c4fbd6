"""What the documents say is true: their examples run and print what is shown, their links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.repository.document import Block, blocks, commands, fits
from tests.repository.tree import ROOT

DOCUMENTS = ("README.md", "tests/README.md")
README = ROOT / "README.md"
PYTHON = blocks(README, "python")
CONSOLE = blocks(README, "console")
EXAMPLE_TAKES_S = 120
# These set up the environment that this test runs in: the gate itself shows that they work.
SET_UP = ("make ", "pip install ", "git ", "cd ")


def at_line(block: Block) -> str:
    return f"line{block.line}"


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A fresh folder with the examples in it, as a reader would have it."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def environment() -> dict[str, str]:
    """The reader's environment: the tool is on PATH, output is plain."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1", "PYTHONWARNINGS": "error"}


def test_the_readme_has_examples() -> None:
    assert PYTHON
    assert CONSOLE


@pytest.mark.parametrize("block", PYTHON, ids=at_line)
def test_a_python_example_runs(block: Block, sandbox: Path) -> None:
    (sandbox / "example.py").write_text(block.body)
    ran = subprocess.run(
        [sys.executable, "example.py"],
        cwd=sandbox,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=EXAMPLE_TAKES_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    # What an example prints is shown behind `#>` in the example itself.
    shown = "\n".join(re.findall(r"#> ?(.*)", block.body))
    assert fits(shown, ran.stdout), f"README.md:{block.line} shows\n{shown}\nbut it printed\n{ran.stdout}"


@pytest.mark.parametrize("block", CONSOLE, ids=at_line)
def test_a_console_example_prints_what_is_shown(block: Block, sandbox: Path) -> None:
    for command in commands(block):
        if command.text.startswith(SET_UP):
            continue
        # A document's command is written for a shell; this is the one place that hands it to one.
        ran = subprocess.run(
            ["bash", "-c", command.text],
            cwd=ROOT if command.text.startswith("python -m ") else sandbox,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=EXAMPLE_TAKES_S,
            check=False,
        )
        # The line after the prompt shows a failure only where it says so: `exit status N`.
        failed = re.search(r"exit status (\d+)", command.shown)
        assert ran.returncode == (int(failed[1]) if failed else 0), ran.stderr
        shown = command.shown.replace(failed[0], "") if failed else command.shown
        assert fits(shown, ran.stdout + ran.stderr), (
            f"README.md:{command.line} `{command.text}` shows\n{shown}\nbut it printed\n{ran.stdout}{ran.stderr}"
        )


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z]+)`|^\$ make ([a-z]+)", (ROOT / document).read_text(), re.MULTILINE))
        assert {first or second for first, second in named} <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_linked_exists(document: str) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", (ROOT / document).read_text())
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not ((ROOT / document).parent / link).exists()] == []


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b", "a b\n", True),
        ("a ... z", "a\nb\nz", True),
        ("a", "a b", False),
        ("...", "", True),
        ("1.0 (x)", "1x0 (x)", False),
    ],
)
def test_output_is_compared_word_by_word(shown: str, printed: str, same: bool) -> None:
    assert fits(shown, printed) is same

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
EXAMPLE_TAKES_S = 120
# These set up the environment that this test runs in: the gate itself shows that they work.
SET_UP = ("make ", "pip install ")
# These belong to the repository; everything else is what a user does, wherever they are.
IN_REPOSITORY = ("python -m benchmarks", "python -m tests.")


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A fresh folder with the examples in it, as a reader would have it."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def environment() -> dict[str, str]:
    """The reader's environment: the tool is on PATH, output is plain."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1", "PYTHONWARNINGS": "error"}


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=EXAMPLE_TAKES_S,
        check=False,
    )


def run_python(block: Block, sandbox: Path) -> None:
    """What an example prints is shown behind `#>` in the example itself."""
    (sandbox / "example.py").write_text(block.body)
    ran = run([sys.executable, "example.py"], sandbox)
    shown = "\n".join(re.findall(r"#> ?(.*)", block.body))
    assert ran.returncode == 0, ran.stdout
    assert fits(shown, ran.stdout), f"README.md:{block.line} shows\n{shown}\nbut it printed\n{ran.stdout}"


def run_console(block: Block, sandbox: Path) -> None:
    """What a command prints is shown below it. It is written for a shell, so a shell gets it."""
    for command in commands(block):
        if command.text.startswith(SET_UP):
            continue
        ran = run(["bash", "-c", command.text], ROOT if command.text.startswith(IN_REPOSITORY) else sandbox)
        at = f"README.md:{command.line} `{command.text}`"
        assert ran.returncode == 0, f"{at} ended with {ran.returncode}:\n{ran.stdout}"
        assert fits(command.shown, ran.stdout), f"{at} shows\n{command.shown}\nbut it printed\n{ran.stdout}"


def test_the_readme_can_be_followed_from_top_to_bottom(sandbox: Path) -> None:
    """One test, since a reader's later commands use what the earlier ones left."""
    python, console = blocks(README, "python"), blocks(README, "console")
    assert python
    assert console
    for block in sorted([*python, *console], key=lambda block: block.line):
        check = run_python if block.language == "python" else run_console
        check(block, sandbox)


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

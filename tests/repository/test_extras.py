"""Each extra is whole: what the code imports is what pyproject.toml names, and whoever lacks it is told what to do."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest
from tests.repository.tree import ROOT

from podledger_adapters.extras import EXTRAS, missing_module

ADAPTERS = ROOT / "adapters" / "podledger_adapters"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = {"anyio", "aiosqlite", "msgspec"}
OURS = {"podledger", "podledger_adapters"}
# What a folder may import, beside the core. The command line has a command for each room.
ALLOWED = {
    "cli": {*EXTRAS["cli"], *EXTRAS["kubernetes"]},
    "kubernetes": set(EXTRAS["kubernetes"]),
    "manifest": {"yaml"},
    "nodes": set[str](),
    "server": set(EXTRAS["server"]),
    "store": set[str](),
}
# Makes modules unfindable, as if they were not installed.
BLOCKER = "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(','))); "
RUN = BLOCKER + "from podledger_adapters.cli.__main__ import main; main()"


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """The modules of others that the files of a folder import, and where."""
    for path in sorted((ADAPTERS / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            else:
                continue
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in OURS:
                    yield top, f"{path.relative_to(ROOT)}:{node.lineno}"


def normalized(distribution: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_room_imports_only_what_its_extra_brings(folder: str) -> None:
    assert [(name, at) for name, at in imported(folder) if name not in CORE | ALLOWED[folder]] == []


def test_every_room_is_looked_at() -> None:
    folders = {path.name for path in ADAPTERS.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ALLOWED)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_names_the_distributions_of_its_modules(extra: str) -> None:
    named = {normalized(re.split(r"[^\w.-]", each)[0]) for each in PROJECT["optional-dependencies"][extra]}
    owners = packages_distributions()
    assert {normalized(owners[module][0]) for module in EXTRAS[extra]} == named


@pytest.mark.parametrize(
    ("blocked", "command", "said"),
    [
        ("starlette", "serve", "starlette is missing; install the API server: pip install 'podledger[server]'"),
        ("cryptography", "serve", "cryptography is missing; install the API server: pip install 'podledger[server]'"),
        (
            "aiohttp,prometheus_client",
            "controller",
            "aiohttp is missing; install the Kubernetes client: pip install 'podledger[kubernetes]'",
        ),
        ("cyclopts", "run", "cyclopts is missing; install the command line: pip install 'podledger[cli]'"),
        ("yaml", "run", "yaml is missing; install the command line: pip install 'podledger[cli]'"),
    ],
)
def test_a_command_without_its_extra_says_which_install_brings_it(blocked: str, command: str, said: str) -> None:
    ran = python(RUN, blocked, command, "nothing.yaml")
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "", f"error: {said}\n")


def test_commands_that_do_not_need_an_extra_do_without_it() -> None:
    ran = python(RUN, "starlette,uvicorn,aiohttp", "run", "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Usage: podledger run" in ran.stdout


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rnu", 'unknown command "rnu"; did you mean run?'),
        ("--nope", 'unknown option "--nope"; there are run, serve, controller, record, cron, log'),
    ],
)
def test_a_mistyped_command_needs_no_extra_to_be_told(word: str, said: str) -> None:
    ran = python(RUN, ",".join(module for modules in EXTRAS.values() for module in modules), word)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"error: {said}; see podledger --help\n")


@pytest.mark.parametrize(
    ("module", "blocked", "extra"),
    [
        ("podledger_adapters.server.local_server", "uvicorn", "server"),
        ("podledger_adapters.testing", "starlette", "server"),
        ("podledger_adapters.kubernetes.cluster", "aiohttp", "kubernetes"),
    ],
)
def test_an_import_without_its_extra_says_so_too(module: str, blocked: str, extra: str) -> None:
    ran = python(f"{BLOCKER}import {module}", blocked)
    assert f"pip install 'podledger[{extra}]'" in ran.stderr.splitlines()[-1]


def test_the_library_needs_no_extra() -> None:
    blocked = ",".join({module for modules in EXTRAS.values() for module in modules})
    ran = python(f"{BLOCKER}import podledger, podledger_adapters.local", blocked)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_no_extra_brings_is_named_all_the_same() -> None:
    assert missing_module(ModuleNotFoundError("No module named 'x'", name="x")).startswith("x is missing; ")

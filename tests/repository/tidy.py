"""The rules of tidiness for one Python file at a time: each takes a file and yields `path:line: what is wrong`.

They are ratchets: what is in order stays so, and no rule has a list of excused files. What the linter can check is
left to it. Rules about the whole tree (who imports whom) are in `tidy_modules.py`; that each rule catches its fault is
tested in `test_tidy.py`.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.repository.tree import PythonFile

__all__ = ["FILE_RULES", "MAX_FILE_LINES", "MAX_FUNCTION_LINES", "foreign_words", "leftover_markers"]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Rule = Callable[[PythonFile], Iterator[str]]

ENGINE = "engine/"
PACKAGES = ("engine/", "adapters/")
EVERYWHERE = ("",)


class Ban(NamedTuple):
    """A call that has no place in some folders, except in some files, and what to do instead."""

    call: str
    where: tuple[str, ...]
    instead: str
    but_in: tuple[str, ...] = ()

    def forbids(self, called: str, path: str) -> bool:
        """Whether this call (as written, with its module) is banned in the file at `path`."""
        if called != self.call and not called.endswith(f".{self.call}"):
            return False
        return path.startswith(self.where) and not (self.but_in and path.startswith(self.but_in))


# A pod's shim and the clock are the two that live in real time; the command line is what talks to a terminal.
BANS = (
    Ban("time.sleep", PACKAGES, "await clock.sleep_until(...)", ("adapters/podledger_adapters/nodes/",)),
    Ban("time.sleep", ("tests/unit", "tests/simulation"), "use a VirtualClock, or await what you wait for"),
    Ban("asyncio.sleep", PACKAGES, "await clock.sleep_until(...), or anyio.lowlevel.checkpoint()"),
    Ban("time.time", (ENGINE,), "take `now` as a value, or the Clock port", ("engine/podledger/clock.py",)),
    Ban("datetime.now", PACKAGES, "take `now` as a value, or the Clock port"),
    Ban("datetime.utcnow", EVERYWHERE, "datetime.fromtimestamp(now, UTC)"),
    Ban("datetime.today", EVERYWHERE, "datetime.fromtimestamp(now, UTC)"),
    Ban("date.today", EVERYWHERE, "datetime.fromtimestamp(now, UTC).date()"),
    Ban("asyncio.get_event_loop", EVERYWHERE, "asyncio.get_running_loop()"),
    Ban("asyncio.ensure_future", EVERYWHERE, "a task group, which waits for its tasks and raises their errors"),
    Ban("os.system", EVERYWHERE, "subprocess.run([...]) without a shell"),
    Ban("os.popen", EVERYWHERE, "subprocess.run([...]) without a shell"),
    Ban("eval", EVERYWHERE, "ast.literal_eval, or a parser"),
    Ban("exec", EVERYWHERE, "an import"),
    Ban("pickle.loads", EVERYWHERE, "msgspec: a ledger must not run code"),
    Ban(
        "yaml.load",
        PACKAGES,
        "a loader derived from CSafeLoader, in one place",
        ("adapters/podledger_adapters/manifest/",),
    ),
    Ban(
        "print",
        PACKAGES,
        "return or log it; only the command line and a pod's shim own a terminal",
        ("adapters/podledger_adapters/cli/", "adapters/podledger_adapters/nodes/"),
    ),
)
# The module's own functions draw from one hidden state; `random.Random(seed)` is a value.
HIDDEN_RANDOM = frozenset(
    {"random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits", "seed"}
)


def file_length(file: PythonFile) -> Iterator[str]:
    """A file can be read in one sitting."""
    lines = file.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{file.at(1)}: {lines} lines, at most {MAX_FILE_LINES}: split it where its opening says «and»"


def function_length(file: PythonFile) -> Iterator[str]:
    """A function can be seen at once."""
    for node in ast.walk(file.tree):
        if isinstance(node, FunctionNode) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{file.at(node)}: {node.name} has {lines} lines, at most {MAX_FUNCTION_LINES}"


def opening(file: PythonFile) -> Iterator[str]:
    """Every file says what it is for."""
    if not ast.get_docstring(file.tree):
        yield f"{file.at(1)}: open with a docstring: what this file is for, what it leaves to others"


def public_docstrings(file: PythonFile) -> Iterator[str]:
    """Every public function and class of the packages says what it means."""
    if not file.in_package:
        return
    for node in file.tree.body:
        if not isinstance(node, FunctionNode | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{file.at(node)}: {node.name} needs a docstring: meaning, units, errors raised"


def banned_calls(file: PythonFile) -> Iterator[str]:
    """No call that has a better replacement here."""
    path = str(file.path)
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        for ban in BANS:
            if ban.forbids(called, path):
                yield f"{file.at(node)}: {ban.call}(); instead: {ban.instead}"
        module, _, function = called.rpartition(".")
        if module == "random" and function in HIDDEN_RANDOM:
            yield f"{file.at(node)}: {called}(); instead: random.Random(seed), handed in"
        if any(word.arg == "shell" and ast.unparse(word.value) == "True" for word in node.keywords):
            yield f"{file.at(node)}: shell=True; instead: a list of arguments"


def mocks(file: PythonFile) -> Iterator[str]:
    """Tests look at what came out and not at which calls were made."""
    instead = "a real implementation of the port (memory log, LocalCluster) or a small class that records"
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [alias.name for alias in node.names]
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if "unittest.mock" in names or module == "unittest.mock" or (module == "unittest" and "mock" in names):
                yield f"{file.at(node)}: unittest.mock; instead: {instead}"
        elif isinstance(node, ast.Attribute) and node.attr.startswith(("assert_called", "assert_awaited")):
            yield f"{file.at(node)}: {node.attr}; instead: {instead}"


def tests_that_assert_nothing(file: PythonFile) -> Iterator[str]:
    """Every test can fail: it asserts, expects an error, or hands over to a function that does."""
    if not file.path.name.startswith("test_"):
        return
    functions = [node for node in ast.walk(file.tree) if isinstance(node, FunctionNode)]
    asserting = {function.name for function in functions if _asserts(function, set())}
    while more := {function.name for function in functions if _asserts(function, asserting)} - asserting:
        asserting |= more
    for function in functions:
        if function.name.startswith("test") and function.name not in asserting:
            yield f"{file.at(function)}: {function.name} asserts nothing, nor does a function check_... that it calls"


def _asserts(function: FunctionNode, asserting: set[str]) -> bool:
    """Whether it asserts, itself or by one of the functions known to."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in asserting or called in ("raises", "fail", "warns"):
                return True
            if re.match(r"_?(assert|check|expect|verify|run_state)", called):
                return True
    return False


def leftover_markers(path: str, text: str) -> Iterator[str]:
    """Nothing is left for later in the source."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b", line):
            yield f"{path}:{number}: {found[0]}: do it, or describe the limit where its user reads it"


# Words of how the project is made, which mean nothing to who reads it.
FOREIGN_WORDS = re.compile(
    r"\b(issue #?\d+|this session|sub-?agents?|AI assistant|\w+-semantics)\b|/work/", re.IGNORECASE
)


def foreign_words(path: str, text: str) -> Iterator[str]:
    """The repository speaks of podledger, not of how it came about."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := FOREIGN_WORDS.search(line):
            yield f"{path}:{number}: «{found[0]}» means nothing to a reader of this repository"


FILE_RULES: tuple[Rule, ...] = (
    file_length,
    function_length,
    opening,
    public_docstrings,
    banned_calls,
    mocks,
    tests_that_assert_nothing,
)

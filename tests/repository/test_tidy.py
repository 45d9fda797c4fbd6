"""The repository keeps its rules, and each rule catches its fault."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.repository.tidy import (
    FILE_RULES,
    MAX_FILE_LINES,
    MAX_FUNCTION_LINES,
    foreign_words,
    leftover_markers,
)
from tests.repository.tidy_modules import dead_modules, missing_names, unlisted_names
from tests.repository.tree import ROOT, PythonFile, python_files, tracked_files

needs_git = pytest.mark.skipif(not tracked_files(), reason="no git checkout: what belongs to the repository is unknown")
TEXT_SUFFIXES = (".py", ".md", ".toml", ".yaml", ".yml", ".sql", ".cfg", "")
TREE_RULES = (dead_modules, missing_names, unlisted_names)


@needs_git
@pytest.mark.parametrize("rule", FILE_RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps(rule: Callable[[PythonFile], Iterator[str]]) -> None:
    assert [fault for file in python_files() for fault in rule(file)] == []


@needs_git
@pytest.mark.parametrize("rule", TREE_RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Callable[[Sequence[PythonFile]], Iterator[str]]) -> None:
    assert list(rule(python_files())) == []


@needs_git
@pytest.mark.parametrize("rule", [leftover_markers, foreign_words], ids=lambda rule: rule.__name__)
def test_every_text_keeps(rule: Callable[[str, str], Iterator[str]]) -> None:
    texts = [path for path in tracked_files() if path.suffix in TEXT_SUFFIXES and "repository" not in path.parts]
    assert [fault for path in texts for fault in rule(str(path), (ROOT / path).read_text())] == []


@needs_git
def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in tracked_files() if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


DOC = '"""Opening."""\n'


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("engine/podledger/a.py", DOC + "\n" * MAX_FILE_LINES, "lines, at most"),
        ("tests/a.py", DOC + "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES, "f has 71 lines"),
        ("engine/podledger/a.py", "x = 1\n", "open with a docstring"),
        ("engine/podledger/a.py", DOC + "def f(): ...\n", "f needs a docstring"),
        ("engine/podledger/a.py", DOC + "class C: ...\n", "C needs a docstring"),
        ("engine/podledger/log/a.py", DOC + "import time\ntime.sleep(1)\n", "clock.sleep_until"),
        ("adapters/podledger_adapters/a.py", DOC + "datetime.datetime.now()\n", "datetime.now()"),
        ("engine/podledger/a.py", DOC + "time.time()\n", "take `now` as a value"),
        ("tests/unit/test_a.py", DOC + "time.sleep(1)\n", "VirtualClock"),
        ("engine/podledger/a.py", DOC + "random.choice([1])\n", "random.Random(seed)"),
        ("engine/podledger/a.py", DOC + "print(1)\n", "own a terminal"),
        ("benchmarks/a.py", DOC + "os.system('ls')\n", "without a shell"),
        ("benchmarks/a.py", DOC + "subprocess.run('ls', shell=True)\n", "a list of arguments"),
        ("tests/unit/test_a.py", DOC + "from unittest.mock import Mock\n", "unittest.mock"),
        ("tests/unit/test_a.py", DOC + "sent.assert_called_once()\n", "assert_called_once"),
        ("tests/unit/test_a.py", DOC + "def test_a():\n    f()\n", "test_a asserts nothing"),
    ],
)
def test_a_rule_catches_its_fault(path: str, text: str, fault: str) -> None:
    file = PythonFile.parse(path, text)
    faults = [found for rule in FILE_RULES for found in rule(file)]
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("engine/podledger/clock.py", DOC + "time.time()\n"),
        ("adapters/podledger_adapters/cli/a.py", DOC + "print(1)\n"),
        ("engine/podledger/a.py", DOC + "draw = random.Random(seed)\ndraw.choice([1])\n"),
        ("tests/unit/test_a.py", DOC + "def test_a():\n    with pytest.raises(ValueError):\n        f()\n"),
        ("engine/podledger/a.py", DOC + "def _f(): ...\n"),
    ],
)
def test_what_is_in_order_passes(path: str, text: str) -> None:
    assert [fault for rule in FILE_RULES for fault in rule(PythonFile.parse(path, text))] == []


def parse_all(**texts: str) -> list[PythonFile]:
    return [PythonFile.parse(f"engine/podledger/{name}.py", DOC + text) for name, text in texts.items()]


def test_a_module_nobody_imports_is_found() -> None:
    files = [
        *parse_all(a="from podledger.b import x\n", b="x = 1\n", c="from podledger import a\n"),
        PythonFile.parse("tests/unit/test_c.py", DOC + "import podledger.c\n"),
    ]
    assert list(dead_modules(files)) == ["engine/podledger/c.py:1: nobody imports podledger.c: use it or remove it"]


def test_a_listed_name_that_is_not_there_is_found() -> None:
    faults = list(missing_names(parse_all(a='__all__ = ["f", "g"]\ndef f(): ...\n', b="def f(): ...\n")))
    assert [fault.partition(": ")[2] for fault in faults] == [
        "__all__ lists g, which the module does not define",
        "no __all__, but it defines f",
    ]


def test_an_import_of_an_unlisted_name_is_found() -> None:
    files = parse_all(a='__all__ = ["f"]\nf = g = 1\n', b="from podledger.a import f, g\n")
    assert list(unlisted_names(files)) == [
        "engine/podledger/b.py:2: g is not in __all__ of podledger.a: list it there, or do without it"
    ]


def test_leftovers_and_foreign_words_are_found() -> None:
    assert next(leftover_markers("a.md", "fine\nTO" + "DO: later\n")).startswith("a.md:2")
    assert list(foreign_words("a.md", "see issue " + "12\n")) == [
        "a.md:1: «issue 12» means nothing to a reader of this repository"
    ]
    assert len(list(foreign_words("a.md", "as job-" + "semantics 2.4 says\n"))) == 1
    assert list(foreign_words("a.md", "kubernetes/kubernetes#125410, a session of its own\n")) == []

"""The repository as its tests see it: the files git tracks, each Python file with its syntax tree, read once."""

import ast
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

__all__ = ["PACKAGES", "ROOT", "PythonFile", "python_files", "tracked_files"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine/podledger", "adapters/podledger_adapters")


@dataclass(frozen=True)
class PythonFile:
    """One Python file: its path from the root, its text, its tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str, text: str) -> "PythonFile":
        """From a path and a text, as if it lay there."""
        return cls(PurePosixPath(path), text, ast.parse(text, path))

    @property
    def in_package(self) -> bool:
        """Whether it ships as part of one of the two packages."""
        return str(self.path).startswith(PACKAGES)

    @property
    def module(self) -> str:
        """The name under which it is imported."""
        parts = list(self.path.with_suffix("").parts)
        if parts[0] in ("engine", "adapters"):
            parts = parts[1:]
        if parts[-1] == "__init__":
            parts = parts[:-1]
        return ".".join(parts)

    def at(self, node: ast.AST | int) -> str:
        """`path:line`, as an editor opens it."""
        return f"{self.path}:{node if isinstance(node, int) else getattr(node, 'lineno', 1)}"


@cache
def tracked_files() -> Sequence[PurePosixPath]:
    """What git tracks and is there; empty where this is no git checkout (an unpacked sdist)."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in listed.stdout.split("\0") if name] if listed.returncode == 0 else []
    return [PurePosixPath(name) for name in names if (ROOT / name).is_file()]


@cache
def python_files() -> Sequence[PythonFile]:
    """All tracked Python files, parsed."""
    return [PythonFile.parse(str(path), (ROOT / path).read_text()) for path in tracked_files() if path.suffix == ".py"]

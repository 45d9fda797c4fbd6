"""One fault of the user's input, told in one line: file, document, line and column, field, what is wrong, the way out.

Finding faults is the business of `yaml_text` and of who reads the values; here is only their shape.
"""

from collections.abc import Sequence
from typing import NamedTuple

from podledger.errors import InputError

__all__ = ["Fault", "ManifestError", "Place", "one_line"]

LONGEST_TEXT = 2000
"""Longer messages are cut: a fault is one line that a person reads."""


class Place(NamedTuple):
    """A place in a file; `document`, `line` and `column` count from 1, and 0 means unknown."""

    source: str
    document: int = 0
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [f"{name} {number}" for name, number in zip(self._fields[1:], self[1:], strict=True) if number]
        return f"{self.source}: {', '.join(parts)}" if parts else self.source


class Fault(NamedTuple):
    """One fault. `field` is the path of the field in Kubernetes' notation, "" where it is not about one."""

    place: Place
    message: str
    field: str = ""

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return one_line(f"{self.place}: {field}{self.message}")


class ManifestError(InputError):
    """The manifests have these faults; nothing was submitted."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def one_line(text: str) -> str:
    """The text without line breaks and control characters, cut to a readable length."""
    flat = " ".join(text.split())
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in flat)
    return printable if len(printable) <= LONGEST_TEXT else printable[: LONGEST_TEXT - 1] + "…"

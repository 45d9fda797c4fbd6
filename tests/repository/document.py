"""Reads the examples out of a Markdown document, and compares what a command printed with what the document shows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Command", "blocks", "commands", "fits"]

FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line it begins on."""

    language: str
    body: str
    line: int


@dataclass(frozen=True)
class Command:
    """One command of a console block and the output shown below it; `line` is the command's."""

    text: str
    shown: str
    line: int


def blocks(document: Path, language: str) -> Sequence[Block]:
    """The document's fenced blocks of a language, in order."""
    text = document.read_text()
    found = (
        Block(match["language"], match["body"], text.count("\n", 0, match.start()) + 2)
        for match in FENCE.finditer(text)
    )
    return [block for block in found if block.language == language]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block: a line that begins with `$ `, and its output up to the next one."""
    lines = block.body.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield Command(lines[start][2:], "\n".join(lines[start + 1 : end]).strip(), block.line + start)


def fits(shown: str, printed: str) -> bool:
    """Whether the output is what the document shows; `...` there stands for anything, blanks count as one."""
    parts = (re.escape(" ".join(part.split())) for part in shown.split("..."))
    return re.fullmatch(r"\s*" + r".*".join(parts) + r"\s*", " ".join(printed.split()), re.DOTALL) is not None

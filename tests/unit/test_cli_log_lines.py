"""Containers' bytes to lines: complete for a pipe, harmless on a terminal."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger_adapters.cli.log_lines import MAX_LINE_BYTES, LogLines, log_prefix


def shown(pieces: Sequence[bytes], *, terminal: bool) -> bytes:
    lines = LogLines(b"p | ", terminal=terminal)
    return b"".join([*(lines.feed(piece) for piece in pieces), lines.end()])


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"a\nb", b"\n\n"])))
def test_a_pipe_gets_every_byte_however_it_was_cut(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    lines = whole.split(b"\n")
    expected = [*lines[:-1], *([lines[-1]] if lines[-1] else [])]
    assert shown(pieces, terminal=False) == b"".join(b"p | " + line + b"\n" for line in expected)


def test_a_line_without_end_is_shown_in_parts() -> None:
    lines = LogLines(b"p | ", terminal=False)
    assert lines.feed(b"x" * (MAX_LINE_BYTES + 5)) == b"p | " + b"x" * MAX_LINE_BYTES + b"\n"
    assert lines.end() == b"p | xxxxx\n"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (b"plain \xc3\xa9", b"plain \xc3\xa9"),
        (b"\x1b[31mred", b"\x1b[31mred\x1b[0m"),
        (b"a\x1b[2Jb\x1b[Hc", b"abc"),
        (b"\x1b]0;title\x07x", b"x"),
        (b"\x1b]52;c;aGk=\x1b\\x", b"x"),
        (b"\x1bcx", b"x"),
        (b"10%\r50%\r100%", b"100%"),
        (b"dos\r", b"dos"),
        (b"a\x08\x00\x7fb\tc", b"ab\tc"),
        (b"a\xc2\x9b2Jb", b"a2Jb"),
    ],
)
def test_a_terminal_is_not_driven_by_what_pods_write(text: bytes, seen: bytes) -> None:
    assert shown([text + b"\n"], terminal=True) == b"p | " + seen + b"\n"


@given(st.binary(max_size=80))
def test_nothing_but_colours_escapes_to_a_terminal(text: bytes) -> None:
    for part in shown([text], terminal=True).split(b"\x1b")[1:]:
        assert part.startswith(b"[")
        assert part[1:].lstrip(b"0123456789;:").startswith(b"m")


def test_a_prefix_names_the_pod_and_keeps_its_colour() -> None:
    assert log_prefix("a-x", colour=False) == b"a-x | "
    assert log_prefix("a-x", "init", colour=False) == b"a-x/init | "
    assert log_prefix("a-x", colour=True) == log_prefix("a-x", colour=True)
    assert b"a-x |" in log_prefix("a-x", colour=True)

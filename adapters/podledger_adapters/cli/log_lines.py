"""A container's bytes to lines with a prefix, for a pipe (as they are) or a terminal (coloured, nothing harmful)."""

import re
from zlib import crc32

__all__ = ["LogLines", "log_prefix"]

MAX_LINE_BYTES = 64 * 1024
"""A longer line is shown in parts, each with the prefix: what waits for its end is bounded."""

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""SGR foreground colours that are readable on dark and on light; red is left to errors."""

UNSAFE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # control sequences other than SGR, which ends in m
    rb"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?"  # strings: titles, clipboard, links
    rb"|\x1b(?!\[[0-9;:]*m)[ -~]?"  # any other escape
    rb"|\xc2[\x80-\x9f]"  # the same as one character, in UTF-8
    rb"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"  # control characters but tab, line feed and escape
)
"""What a pod could move the cursor or drive the terminal with."""


def log_prefix(pod: str, container: str = "", *, colour: bool) -> bytes:
    """`pod-name | `, with the container's name where a pod has several; a pod keeps its colour."""
    name = f"{pod}/{container}" if container else pod
    if not colour:
        return f"{name} | ".encode()
    return f"\x1b[{COLOURS[crc32(pod.encode()) % len(COLOURS)]}m{name} |\x1b[0m ".encode()


class LogLines:
    """Cuts one container's output into prefixed lines. Only the start of a line that has not ended is kept."""

    def __init__(self, prefix: bytes, *, terminal: bool) -> None:
        self._prefix, self._terminal = prefix, terminal
        self._open = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The lines that this piece of output ends, ready to be written."""
        self._open += data
        end = self._open.rfind(b"\n") + 1
        done = bytes(self._open[:end])
        del self._open[:end]
        lines = done.split(b"\n")[:-1]
        while len(self._open) >= MAX_LINE_BYTES:
            lines.append(bytes(self._open[:MAX_LINE_BYTES]))
            del self._open[:MAX_LINE_BYTES]
        return b"".join(map(self._line, lines))

    def end(self) -> bytes:
        """The last line, where the output did not end with a line feed."""
        last = bytes(self._open)
        self._open.clear()
        return self._line(last) if last else b""

    def _line(self, line: bytes) -> bytes:
        if not self._terminal:
            return b"%b%b\n" % (self._prefix, line)
        # A progress bar draws over itself with carriage returns; what it looked like in the end is its line.
        text = UNSAFE.sub(b"", line.rstrip(b"\r").rpartition(b"\r")[2])
        reset = b"\x1b[0m" if b"\x1b" in text else b""
        return b"%b%b%b\n" % (self._prefix, text, reset)

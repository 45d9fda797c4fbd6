"""Which of the process's streams gets what, and whether it is a terminal: logs, notes, progress, colours."""

import os
import sys
from typing import NamedTuple

from podledger_adapters.cli.output import Writer
from podledger_adapters.cli.writer import LineWriter

__all__ = ["Streams"]


class Streams(NamedTuple):
    """Pods' logs go to stdout, or to stderr where stdout is for a document; notes and progress always to stderr."""

    as_json: bool
    logs_to_terminal: bool
    notes_to_terminal: bool
    one_terminal: bool
    colour: bool

    @classmethod
    def of_process(cls, *, as_json: bool) -> "Streams":
        """Look at this process's stdout, stderr, TERM and NO_COLOR."""
        smart = os.environ.get("TERM", "dumb") not in ("", "dumb")
        notes = sys.stderr.isatty()
        logs = notes if as_json else sys.stdout.isatty()
        same = notes and logs and os.fstat(1).st_rdev == os.fstat(2).st_rdev
        return cls(as_json, logs, notes and smart, as_json or same, logs and smart and not os.environ.get("NO_COLOR"))

    def writer(self) -> Writer:
        """What writes to these streams: with live progress on a terminal, else line by line."""
        logs = sys.stderr.buffer if self.as_json else sys.stdout.buffer
        if not self.notes_to_terminal:
            return LineWriter(logs, sys.stderr.buffer)
        from rich.console import Console

        from podledger_adapters.cli.live import LiveWriter

        return LiveWriter(Console(file=sys.stderr, highlight=False), None if self.one_terminal else logs)

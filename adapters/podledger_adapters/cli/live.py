"""A run on a terminal: logs scroll by in colour, below them a few lines always say how the Jobs stand.

Built on rich's Live, which redraws those lines after whatever is printed above them. A pipe gets `writer.py`.
"""

from collections.abc import Callable, Sequence
from typing import BinaryIO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from podledger_adapters.cli.job_table import human_duration
from podledger_adapters.cli.progress import JobProgress, completions_text, pods_text, restart_text, retry_text
from podledger_adapters.cli.writer import write_all

__all__ = ["LiveWriter"]

MAX_ROWS = 8
"""Jobs shown at once; unfinished ones come first."""
BAR_WIDTH = 20

STYLES = {
    "Complete": "green",
    "Failed": "bold red",
    "FailureTarget": "red",
    "Suspended": "yellow",
    "Suspending": "yellow",
}


class LiveWriter:
    """Logs and notes above, progress below. `logs_elsewhere` takes the logs where stdout is not this terminal."""

    def __init__(self, console: Console, logs_elsewhere: BinaryIO | None = None) -> None:
        self._console = console
        self._elsewhere = logs_elsewhere
        self._gone = False
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._draw(self._live.start)

    def logs(self, data: bytes) -> None:
        """Print whole lines above the progress, or write them to where they go otherwise."""
        if self._elsewhere is None:
            self._print(data.decode(errors="replace"))
            return
        refused = write_all(self._elsewhere, data)
        if refused is not None:
            self.note(f"warning: the pods' output cannot be written ({refused}); the Jobs go on without it")

    def note(self, text: str) -> None:
        """Print one line above the progress."""
        self._print(f"{text}\n")

    def progress(self, jobs: Sequence[JobProgress]) -> None:
        """Draw how things stand."""
        self._draw(lambda: self._live.update(_table(jobs), refresh=True))

    def close(self) -> None:
        """Take the progress away and show the cursor again."""
        self._draw(self._live.stop)

    def _print(self, text: str) -> None:
        self._draw(lambda: self._console.print(_Raw(text), end="", soft_wrap=True))

    def _draw(self, draw: Callable[[], None]) -> None:
        """Once the terminal is gone, nothing more is drawn; rich answers a broken pipe with SystemExit."""
        if self._gone:
            return
        try:
            draw()
        except (OSError, SystemExit):
            self._gone = True


class _Raw:
    """Text that rich passes on as it is: one segment, however many lines."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)


def _table(jobs: Sequence[JobProgress]) -> Group:
    table = Table.grid(padding=(0, 2))
    shown = sorted(jobs, key=lambda job: job.finished)[:MAX_ROWS]
    for job in shown:
        bar = ProgressBar(total=job.goal, completed=job.succeeded, width=BAR_WIDTH) if job.goal else Text("")
        details = ", ".join(text for text in (restart_text(job), retry_text(job), pods_text(job)) if text)
        table.add_row(
            Text(job.name, style="bold", overflow="ellipsis", no_wrap=True),
            Text(job.status, style=STYLES.get(job.status, "cyan")),
            bar,
            Text(completions_text(job)),
            Text(human_duration(job.elapsed_s)),
            Text(details, overflow="ellipsis", no_wrap=True),
        )
    if len(jobs) == len(shown):
        return Group(table)
    ended = sum(job.finished for job in jobs)
    return Group(table, Text(f"… and {len(jobs) - len(shown):,} more; {ended:,} of {len(jobs):,} ended", style="dim"))

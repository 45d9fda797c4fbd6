"""Jobs as `kubectl get jobs` shows them: NAME, STATUS, COMPLETIONS, DURATION, AGE; the layout is kubectl's.

What stands in the cells is `podledger_adapters.printer`. Nothing here prints.
"""

from collections.abc import Sequence

from podledger.api.job import Job
from podledger_adapters.printer import age, completions_cell, duration_cell, human_duration, status_cell

__all__ = ["completions_cell", "human_duration", "job_row", "job_table", "status_cell", "table_lines"]

COLUMNS = ("NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE")
GAP = 3
"""Spaces between columns, as kubectl has them."""


def job_row(job: Job, now_s: float) -> tuple[str, str, str, str, str]:
    """The cells of a Job."""
    created = age(job.metadata.creation_timestamp, now_s)
    return job.metadata.name, status_cell(job), completions_cell(job), duration_cell(job, now_s), created


def job_table(jobs: Sequence[Job], now_s: float) -> Sequence[str]:
    """The lines of the table. Jobs of more than one namespace get a NAMESPACE column, as with `-A`."""
    rows: list[Sequence[str]] = [COLUMNS, *(job_row(job, now_s) for job in jobs)]
    if len({job.metadata.namespace for job in jobs}) > 1:
        names = ["NAMESPACE", *(job.metadata.namespace for job in jobs)]
        rows = [(name, *row) for name, row in zip(names, rows, strict=True)]
    return table_lines(rows)


def table_lines(rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """Rows of cells as lines of equal columns, without blanks at their ends."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["".join(cell.ljust(width + GAP) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

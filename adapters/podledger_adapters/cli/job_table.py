"""Jobs as `kubectl get jobs` shows them: NAME, STATUS, COMPLETIONS, DURATION, AGE, with an API server's own rules.

The source is the printer of Kubernetes 1.36 (cells) and of `kubectl` (layout). Nothing here prints.
"""

from collections.abc import Sequence
from datetime import datetime

from podledger.api.job import Job

__all__ = ["completions_cell", "human_duration", "job_row", "job_table", "status_cell", "table_lines"]

COLUMNS = ("NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE")
GAP = 3
"""Spaces between columns, as kubectl has them."""

MINUTE_S, HOUR_S, DAY_S, YEAR_S = 60, 3600, 86_400, 365 * 86_400


def human_duration(seconds: float) -> str:
    """A duration as kubectl writes ages: `119s`, `2m30s`, `3h5m`, `2d2h`, `400d`, `2y35d`; rounded down."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -1 else "0s"
    # Up to this many seconds: in units of the first, and with the rest in the second where it is not 0.
    for limit, (unit, name), (rest_unit, rest_name) in (
        (2 * MINUTE_S, (1, "s"), (0, "")),
        (10 * MINUTE_S, (MINUTE_S, "m"), (1, "s")),
        (3 * HOUR_S, (MINUTE_S, "m"), (0, "")),
        (8 * HOUR_S, (HOUR_S, "h"), (MINUTE_S, "m")),
        (2 * DAY_S, (HOUR_S, "h"), (0, "")),
        (8 * DAY_S, (DAY_S, "d"), (HOUR_S, "h")),
        (2 * YEAR_S, (DAY_S, "d"), (0, "")),
        (8 * YEAR_S, (YEAR_S, "y"), (DAY_S, "d")),
    ):
        if whole < limit:
            count, left = divmod(whole, unit)
            rest = left // rest_unit if rest_unit else 0
            return f"{count}{name}{rest}{rest_name}" if rest else f"{count}{name}"
    return f"{whole // YEAR_S}y"


def status_cell(job: Job) -> str:
    """The STATUS column: the first of these conditions that is true, in the order of Kubernetes' printer."""
    for condition in ("Complete", "Failed"):
        if job.status.is_true(condition):
            return condition
    if job.metadata.deletion_timestamp is not None:
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if job.status.is_true(condition):
            return condition
    return "Running"


def completions_cell(job: Job) -> str:
    """The COMPLETIONS column: `2/8`, for a work queue `0/1 of 3`."""
    succeeded, spec = job.status.succeeded, job.spec
    if spec.completions is not None:
        return f"{succeeded}/{spec.completions}"
    if (spec.parallelism or 0) > 1:
        return f"{succeeded}/1 of {spec.parallelism}"
    return f"{succeeded}/1"


def _seconds(later: datetime | float, earlier: datetime) -> float:
    end = later.timestamp() if isinstance(later, datetime) else later
    return end - earlier.timestamp()


def job_row(job: Job, now_s: float) -> tuple[str, str, str, str, str]:
    """The cells of a Job. As in Kubernetes the duration of a Job that did not complete goes on until now."""
    status, created = job.status, job.metadata.creation_timestamp
    duration = ""
    if status.start_time is not None:
        duration = human_duration(_seconds(status.completion_time or now_s, status.start_time))
    age = human_duration(_seconds(now_s, created)) if created is not None else "<unknown>"
    return job.metadata.name, status_cell(job), completions_cell(job), duration, age


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

"""What Kubernetes' printer shows of times and Jobs: durations as people read them, a Job's status and completions.

The rules are those of the API server's printer (1.36), which computes the cells that `kubectl get` shows. Both the
command line's table and the API server's Tables are made of them; layout is theirs.
"""

from datetime import datetime
from typing import Final

from podledger.api.job import Job

__all__ = ["UNKNOWN", "age", "completions_cell", "duration_cell", "human_duration", "status_cell"]

UNKNOWN: Final = "<unknown>"
"""In place of the age of something without a time."""

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


def age(since: datetime | None, now_s: float) -> str:
    """How long ago something was; `now_s` are Unix seconds."""
    return UNKNOWN if since is None else human_duration(now_s - since.timestamp())


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


def duration_cell(job: Job, now_s: float) -> str:
    """The DURATION column. As in Kubernetes that of a Job that did not complete goes on until now."""
    start, end = job.status.start_time, job.status.completion_time
    if start is None:
        return ""
    return human_duration((end.timestamp() if end is not None else now_s) - start.timestamp())

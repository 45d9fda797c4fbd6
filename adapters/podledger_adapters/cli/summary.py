"""What a run says in the end: the table, why Jobs failed, the last lines of their logs; or, for programs, one document.

Pure: Jobs and pods in, text out. Who prints it, and how the run ended as a whole, is `run.py`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from podledger.api.document import job_document
from podledger.api.job import Job, JobStatus
from podledger.api.pod import Pod
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.job_table import job_table
from podledger_adapters.cli.pod_logs import exit_text
from podledger_adapters.manifest.fault import one_line

__all__ = ["FailedPod", "exit_code_of_jobs", "list_document", "summary_lines"]


class FailedPod(NamedTuple):
    """The last pod of a Job that failed, the last lines it wrote, and where all of them are ("" for nowhere)."""

    pod: Pod
    last_lines: Sequence[str]
    logs_at: str


def summary_lines(jobs: Sequence[Job], now_s: float, failed_pod: Callable[[Job], FailedPod | None]) -> Iterator[str]:
    """The table of the Jobs, then each failure: reason, message, the last pod that failed and what it wrote last."""
    yield from job_table(jobs, now_s)
    for job in jobs:
        condition = job.status.condition("Failed")
        if condition is None or condition.status != "True":
            continue
        yield ""
        yield f"Job {job.metadata.name} failed: {condition.reason}: {one_line(condition.message)}"
        last = failed_pod(job)
        if last is None:
            continue
        yield f"  the last pod that failed is {last.pod.metadata.name}: {exit_text(last.pod)}"
        if last.last_lines:
            yield "  its last output:"
            yield from (f"    {one_line(line)}" for line in last.last_lines)
        if last.logs_at:
            yield f"  its logs are in {last.logs_at}"


def list_document(jobs: Sequence[Job]) -> str:
    """The `v1` List of the Jobs as stored, as `kubectl get jobs -o json` prints it."""
    document = {
        "apiVersion": "v1",
        "items": [job_document(job) for job in jobs],
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }
    return json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False)


def exit_code_of_jobs(statuses: Iterable[JobStatus]) -> ExitCode:
    """FAILED if a Job failed, else OK. What stopped the run (a signal, a time-out) is judged before this."""
    return ExitCode.FAILED if any(status.is_true("Failed") for status in statuses) else ExitCode.OK

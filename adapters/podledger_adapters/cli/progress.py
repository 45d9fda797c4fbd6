"""How far Jobs are, as people want to know it: pods by state, completions, retries with the time of the next.

Read from the controller's live states; how it is shown is `writer.py` (lines) and `live.py` (a terminal).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from podledger.api.go_duration import SECOND_NS, parse_duration
from podledger.api.pod import Pod
from podledger.job.backoff import Backoff, index_ready_at
from podledger.job.limits import Limits
from podledger.job.state import JobState
from podledger_adapters.cli.job_table import human_duration

__all__ = [
    "JobProgress",
    "PlainProgress",
    "completions_text",
    "job_progress",
    "next_restart_s",
    "pods_text",
    "restart_text",
    "retry_text",
]

LIMITS = Limits()
"""A run keeps to the controller's defaults."""
CRASH_LOOP = "CrashLoopBackOff"
"""The reason of a container that waits for its restart, as kubelets and kubectl have it."""
BACK_OFF = re.compile(r"back-off (\S+) restarting")
"""How a kubelet's message about that begins."""
QUIET_S = 5.0
"""Lines that only say that more pods ended come at most this often."""
MAX_NAMED_JOBS = 20
"""With more Jobs than this, lines are about all of them together."""


class JobProgress(NamedTuple):
    """How one Job stands. `goal` is None for a work queue; `retry_in_s` is None unless it waits for a retry.

    `restart_in_s`: when the first of its containers that crashed is restarted in place; None if none waits for that.
    """

    name: str
    status: str
    succeeded: int
    goal: int | None
    failed: int
    pending: int
    running: int
    terminating: int
    elapsed_s: float
    retry_in_s: float | None
    restart_in_s: float | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.status in ("Complete", "Failed")


def job_progress(state: JobState, now_s: float, restart_at_s: float | None = None) -> JobProgress:
    """A live view of a Job's state at the time `now_s` (Unix seconds). `restart_at_s`: see `next_restart_s`."""
    tally = state.tally
    status = "Running"
    for condition in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet", "Suspended"):
        if state.is_true(condition):
            status = condition
            break
    else:
        if state.spec.suspend:
            status = "Suspending"
    waits = status == "Running" and tally.active < (state.spec.parallelism or 0)
    retry_in_s = _retry_at_s(state) - now_s if waits else 0.0
    end_s = state.completion_s or now_s
    return JobProgress(
        name=state.name,
        status=status,
        succeeded=_succeeded(state),
        goal=state.spec.completions,
        failed=state.failed + tally.new_failed,
        pending=tally.active - tally.ready,
        running=tally.ready,
        terminating=tally.terminating,
        elapsed_s=max(0.0, end_s - state.start_s) if state.start_s else 0.0,
        retry_in_s=retry_in_s if retry_in_s > 0 else None,
        restart_in_s=None if restart_at_s is None else max(0.0, restart_at_s - now_s),
    )


def next_restart_s(pods: Iterable[Pod]) -> float | None:
    """When the first container that waits in CrashLoopBackOff is restarted, as far as its kubelet tells."""
    times: list[float] = []
    for pod in pods:
        for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
            waiting, ended = container.state.waiting, container.last_state.terminated
            if waiting is None or waiting.reason != CRASH_LOOP or ended is None or ended.finished_at is None:
                continue
            if told := BACK_OFF.match(waiting.message):
                times.append(ended.finished_at.timestamp() + parse_duration(told[1]) / SECOND_NS)
    return min(times, default=None)


def _succeeded(state: JobState) -> int:
    """Pods that succeeded, or indexes of an Indexed Job, those included that are not counted yet."""
    if not state.indexed:
        return state.succeeded + state.tally.new_succeeded
    return len(state.completed) + sum(1 for index in state.tally.new_indexes if index not in state.completed)


def _retry_at_s(state: JobState) -> float:
    """When the back-off ends, that of the Job or the first of its indexes; 0 for none."""
    if not state.per_index:
        return Backoff(state.backoff_failures, state.backoff_last_s).ends_at(LIMITS)
    waiting = [index_ready_at(state.pods[uid], LIMITS) for uid in state.retained.values() if uid in state.pods]
    return min(waiting, default=0.0)


def pods_text(job: JobProgress) -> str:
    """The pods by state, those that are there: `2 running, 1 pending, 3 failed`."""
    counts = (
        (job.running, "running"),
        (job.pending, "pending"),
        (job.terminating, "terminating"),
        (job.failed, "failed"),
    )
    return ", ".join(f"{count:,} {name}" for count, name in counts if count)


def completions_text(job: JobProgress) -> str:
    """`3/8`, or `3 succeeded` for a work queue."""
    return f"{job.succeeded:,} succeeded" if job.goal is None else f"{job.succeeded:,}/{job.goal:,}"


def retry_text(job: JobProgress) -> str:
    """`next retry in 20s`, or nothing while none is waited for."""
    return "" if job.retry_in_s is None else f"next retry in {human_duration(math.ceil(job.retry_in_s))}"


def restart_text(job: JobProgress) -> str:
    """`CrashLoopBackOff, restart in 8s`, or nothing while no container waits for a restart in place."""
    if job.restart_in_s is None:
        return ""
    return f"{CRASH_LOOP}, restart in {human_duration(math.ceil(job.restart_in_s))}"


class PlainProgress:
    """Progress as occasional lines, for pipes and files: at once when it matters, else every QUIET_S seconds."""

    def __init__(self) -> None:
        self._told: dict[str, JobProgress] = {}
        self._told_at = 0.0

    def lines(self, jobs: Sequence[JobProgress], now: float) -> Sequence[str]:
        """What is worth a line now; `now` is a monotonic time in seconds."""
        if len(jobs) > MAX_NAMED_JOBS:
            return self._summary(jobs, now)
        quiet_is_over = now - self._told_at >= QUIET_S
        lines: list[str] = []
        for job in jobs:
            told = self._told.get(job.name)
            if told is not None and not _matters(told, job) and not (quiet_is_over and _moved(told, job)):
                continue
            self._told[job.name] = job
            lines.append(_line(job))
        if lines:
            self._told_at = now
        return lines

    def _summary(self, jobs: Sequence[JobProgress], now: float) -> Sequence[str]:
        done = all(job.finished for job in jobs)
        if now - self._told_at < QUIET_S and not (done and self._told):
            return ()
        self._told_at = now
        told: Mapping[str, JobProgress] = {job.name: job for job in jobs}
        if told == self._told:
            return ()
        self._told = dict(told)
        states: dict[str, int] = {}
        for job in jobs:
            states[job.status] = states.get(job.status, 0) + 1
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(states.items()))
        pods = sum(job.succeeded for job in jobs)
        return (f"{len(jobs):,} Jobs: {counts}; {pods:,} pods succeeded",)


def _matters(told: JobProgress, job: JobProgress) -> bool:
    return (
        (told.status, told.failed) != (job.status, job.failed)
        or ((told.retry_in_s is None) != (job.retry_in_s is None) and job.retry_in_s is not None)
        or (told.restart_in_s is None and job.restart_in_s is not None)
    )


def _moved(told: JobProgress, job: JobProgress) -> bool:
    return (told.succeeded, told.running, told.pending) != (job.succeeded, job.running, job.pending)


def _line(job: JobProgress) -> str:
    texts = (completions_text(job), pods_text(job), restart_text(job), retry_text(job))
    details = ", ".join(text for text in texts if text)
    return f"{job.name}: {job.status}, {details} ({human_duration(job.elapsed_s)})"

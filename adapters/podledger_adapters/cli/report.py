"""Prints how a run ended: the table or the document on stdout; on stderr what is kept where, and how to go on.

What the lines say about Jobs is `summary.py`.
"""

import shlex
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.job_table import completions_cell
from podledger_adapters.cli.pod_logs import LogSource
from podledger_adapters.cli.stopping import StopReason
from podledger_adapters.cli.summary import FailedPod, list_document, summary_lines
from podledger_adapters.cli.writer import print_result, write_all

__all__ = ["Ending", "last_failure", "print_ending", "resume_command"]

LAST_LINES = 10
"""How many lines of a failed pod's log are told again."""
LAST_BYTES = 16 * 1024
"""How much of its end is looked at for them."""


class Ending(NamedTuple):
    """How a run ended. `jobs` as stored; `failures` by the Job's uid; `kept` is the ledger's path if it stays."""

    jobs: Sequence[Job]
    failures: dict[str, FailedPod]
    reason: StopReason | None
    kept: Path | None
    temporary: bool
    now_s: float
    logged: bool


async def last_failure(pods: Sequence[Pod], logs: LogSource) -> FailedPod | None:
    """Of a Job's pods the one that failed last, with the end of what the container that failed has written."""
    failed = [pod for pod in pods if pod.status.phase == "Failed"]
    if not failed:
        return None
    pod = max(failed, key=_finished_s)
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    ended = [each for each in statuses if each.state.terminated is not None]
    bad = [each for each in ended if each.state.terminated is not None and each.state.terminated.exit_code != 0]
    tail: deque[bytes] = deque()
    size = 0
    for container in (bad or ended)[:1]:
        try:
            async for data in logs.logs(pod.metadata.uid, container.name):
                tail.append(data)
                size += len(data)
                while size - len(tail[0]) >= LAST_BYTES:
                    size -= len(tail.popleft())
        except KeyError:
            pass  # Nothing is known of its output any more.
    text = b"".join(tail)[-LAST_BYTES:].decode(errors="replace")
    directory = logs.logs_directory(pod.metadata.uid)
    return FailedPod(pod, text.splitlines()[-LAST_LINES:], str(directory) if directory.is_dir() else "")


def print_ending(ending: Ending, code: ExitCode, *, as_json: bool) -> ExitCode:
    """Write what is to be said; the exit code, another than `code` where the result could not be written."""
    lines = list(summary_lines(ending.jobs, ending.now_s, lambda job: ending.failures.get(job.metadata.uid)))
    if as_json:
        code = print_result(f"{list_document(ending.jobs)}\n", code)
        # The table is in the document; why Jobs failed is for whoever looks on.
        for line in lines[len(ending.jobs) + 1 :]:
            _note(line)
    elif ending.jobs:
        blank = [""] if ending.logged else []
        code = print_result("".join(f"{line}\n" for line in (*blank, *lines)), code)
    for line in _hints(ending, sys.argv):
        _note(line)
    return code


def _hints(ending: Ending, command: Sequence[str]) -> list[str]:
    """What is kept, and how to resume, as lines for stderr."""
    lines: list[str] = []
    unfinished = [job for job in ending.jobs if not job.status.finished]
    if ending.reason is not None and ending.kept is not None and unfinished:
        states = ", ".join(f"{job.key} ({completions_cell(job)})" for job in unfinished[:5])
        more = f" and {len(unfinished) - 5} more" if len(unfinished) > 5 else ""
        lines.append(f"{ending.reason.words}; suspended: {states}{more}")
        lines.append(f"to resume: {resume_command(command, ending.kept)}")
    elif ending.kept is not None and ending.temporary:
        lines.append(f"ledger and logs are kept in {ending.kept.parent}; remove it when you are done")
    return lines


def resume_command(command: Sequence[str], ledger: Path) -> str:
    """The command that goes on with this ledger: the same words, with --db where there was none."""
    words = ["podledger", *command[1:]]
    if not any(word == "--db" or word.startswith("--db=") for word in words):
        words += ["--db", str(ledger)]
    return shlex.join(words)


def _note(line: str) -> None:
    write_all(sys.stderr.buffer, f"{line}\n".encode(errors="replace"))


def _finished_s(pod: Pod) -> float:
    ends = [each.state.terminated for each in pod.status.container_statuses if each.state.terminated is not None]
    times = [end.finished_at.timestamp() for end in ends if end.finished_at is not None]
    return max(times, default=0.0)

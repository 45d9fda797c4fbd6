"""The exit codes of all commands, and how several outcomes become one. Scripts rely on these numbers."""

from collections.abc import Iterable
from enum import IntEnum

from podledger.api.job import JobStatus

__all__ = ["ExitCode", "exit_code_of_jobs"]


class ExitCode(IntEnum):
    """What a command's exit code says. Signals follow the shell's rule: 128 + the number of the signal."""

    OK = 0
    """All is well."""
    FAILED = 1
    """A Job failed or timed out, or a check found a fault. An error of podledger itself ends so too."""
    USAGE = 2
    """Wrong usage or bad input; nothing was submitted."""
    UNREACHABLE = 3
    """Something could not be reached or opened: a ledger, a cluster, a file of podledger's own."""
    HANGUP = 129
    """The terminal went away (SIGHUP)."""
    INTERRUPTED = 130
    """Ctrl-C (SIGINT)."""
    TERMINATED = 143
    """SIGTERM."""


def exit_code_of_jobs(statuses: Iterable[JobStatus]) -> ExitCode:
    """FAILED if a Job failed, else OK. What stopped the run (a signal, a time-out) is judged before this."""
    return ExitCode.FAILED if any(status.is_true("Failed") for status in statuses) else ExitCode.OK

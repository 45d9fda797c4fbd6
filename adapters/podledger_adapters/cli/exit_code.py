"""The exit codes of all commands. Scripts rely on these numbers."""

from enum import IntEnum

__all__ = ["ExitCode"]


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

"""Errors as the user sees them: which exit code, which lines."""

import pytest

from podledger.api.job import JobCondition, JobStatus
from podledger.errors import ClusterError, ControllerStopped, InputError, LedgerLocked, LogUnavailable
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.explain import explain
from podledger_adapters.cli.summary import exit_code_of_jobs
from podledger_adapters.manifest.fault import Fault, ManifestError, Place


def stopped_by(cause: BaseException) -> ControllerStopped:
    error = ControllerStopped("the controller stopped")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (InputError("a flag is wrong"), 2, ["error: a flag is wrong"]),
        (LedgerLocked("a.db is held\nby pid 7"), 3, ["error: a.db is held by pid 7"]),
        (ClusterError("gone"), 3, ["error: gone"]),
        (stopped_by(LogUnavailable("disk full")), 3, ["error: disk full"]),
        (
            ExceptionGroup("tasks", [LogUnavailable("disk full"), stopped_by(LogUnavailable("disk full"))]),
            3,
            ["error: disk full"],
        ),
        (
            ManifestError([Fault(Place("f", 1, 2, 3), "x", "spec"), Fault(Place("g"), "y")]),
            2,
            ["error: f: document 1, line 2, column 3: spec: x", "error: g: y"],
        ),
    ],
)
def test_an_expected_error_is_one_line_a_fault(error: BaseException, code: int, lines: list[str]) -> None:
    assert explain(error) == (code, lines)


def test_an_unexpected_error_says_what_to_report() -> None:
    code, (line,) = explain(ExceptionGroup("tasks", [KeyError("x")]))
    assert code == ExitCode.FAILED
    assert "KeyError: 'x'" in line
    assert "PODLEDGER_DEBUG=1" in line


def test_one_failed_job_fails_the_run() -> None:
    complete = JobStatus(conditions=(JobCondition(type="Complete", status="True"),))
    failed = JobStatus(conditions=(JobCondition(type="Failed", status="True"),))
    assert exit_code_of_jobs([complete, complete]) == 0
    assert exit_code_of_jobs([complete, failed]) == 1

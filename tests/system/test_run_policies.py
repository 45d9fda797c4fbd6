"""Policies and restarts through `podledger run` on processes: status and exit code as Kubernetes'."""

from pathlib import Path
from typing import Any

from tests.system.podledger_command import job, left_over, podledger, stored_job, write_manifest


def run(where: Path, manifest: dict[str, Any], code: int) -> dict[str, Any]:
    """The status of the Job once it has run; what its processes left behind is nothing."""
    ended = podledger("run", write_manifest(where, manifest), "-o", "json", cwd=where)
    assert ended.returncode == code, ended.stderr
    assert left_over(where) == []
    status: dict[str, Any] = stored_job(ended.stdout)["status"]
    return status


def outcomes(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["type"], each["reason"]) for each in status["conditions"] if each["status"] == "True"]


def test_exit_code_42_under_a_failjob_rule_fails_the_job_at_once(tmp_path: Path) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}
    spec: dict[str, Any] = {"backoffLimit": 6, "podFailurePolicy": {"rules": [rule]}}
    status = run(tmp_path, job("fails", ["sh", "-c", "exit 42"], **spec), 1)
    assert outcomes(status) == [("FailureTarget", "PodFailurePolicy"), ("Failed", "PodFailurePolicy")]
    assert status["failed"] == 1
    assert "failed with exit code 42 matching FailJob rule at index 0" in status["conditions"][-1]["message"]


def test_a_leader_that_succeeds_ends_its_workers(tmp_path: Path) -> None:
    script = '[ "$JOB_COMPLETION_INDEX" = 0 ] || sleep 1000'
    indexed: dict[str, Any] = {"completions": 4, "parallelism": 4, "completionMode": "Indexed"}
    policy: dict[str, Any] = {"successPolicy": {"rules": [{"succeededIndexes": "0"}]}}
    status = run(tmp_path, job("led", ["sh", "-c", script], **indexed, **policy), 0)
    assert outcomes(status) == [("SuccessCriteriaMet", "SuccessPolicy"), ("Complete", "SuccessPolicy")]
    assert (status["succeeded"], status["completedIndexes"], status.get("failed", 0)) == (1, "0", 0)


def test_an_index_out_of_retries_fails_and_the_others_go_on(tmp_path: Path) -> None:
    indexed: dict[str, Any] = {
        "completions": 4,
        "parallelism": 2,
        "completionMode": "Indexed",
        "backoffLimitPerIndex": 0,
    }
    status = run(tmp_path, job("some", ["sh", "-c", '[ "$JOB_COMPLETION_INDEX" != 1 ]'], **indexed), 1)
    assert outcomes(status) == [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2,3", "1")
    assert (status["succeeded"], status["failed"]) == (3, 1)


def test_a_container_that_fails_is_restarted_in_its_pod(tmp_path: Path) -> None:
    script = "[ -e tried ] || { touch tried; exit 1; }"
    status = run(tmp_path, job("again", ["sh", "-c", script], pod={"restartPolicy": "OnFailure"}), 0)
    assert outcomes(status)[-1] == ("Complete", "CompletionsReached")
    assert (status["succeeded"], status.get("failed", 0)) == (1, 0)

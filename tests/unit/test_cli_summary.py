"""The end of a run, for people and for programs."""

import json
from datetime import UTC, datetime

from podledger.api.job import Job, JobCondition, JobSpec, JobStatus
from podledger.api.meta import ObjectMeta
from podledger.api.pod import ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus
from podledger_adapters.cli.pod_logs import exit_text
from podledger_adapters.cli.summary import FailedPod, list_document, summary_lines

BORN = datetime(2030, 1, 1, tzinfo=UTC)


def job(name: str, status: JobStatus) -> Job:
    metadata = ObjectMeta(name=name, namespace="default", creation_timestamp=BORN)
    return Job(metadata=metadata, spec=JobSpec(completions=1), status=status)


COMPLETE = job("a", JobStatus(succeeded=1, conditions=(JobCondition(type="Complete", status="True"),)))
FAILED = job(
    "b",
    JobStatus(
        failed=1,
        conditions=(
            JobCondition(type="FailureTarget", status="True", reason="BackoffLimitExceeded"),
            JobCondition(type="Failed", status="True", reason="BackoffLimitExceeded", message="Job has reached\nit"),
        ),
    ),
)


def ended(code: int, *, reason: str = "Error", message: str = "") -> Pod:
    terminated = ContainerStateTerminated(exit_code=code, reason=reason, message=message)
    status = ContainerStatus(name="main", state=ContainerState(terminated=terminated))
    return Pod(metadata=ObjectMeta(name="b-x1"), status=PodStatus(phase="Failed", container_statuses=(status,)))


def test_a_failure_is_told_with_reason_last_lines_and_where_logs_are() -> None:
    failed_pod = FailedPod(ended(3), ["one", "two\x1b[2J"], "/tmp/x/logs")
    lines = list(summary_lines([COMPLETE, FAILED], BORN.timestamp() + 5, lambda _: failed_pod))
    assert lines == [
        "NAME   STATUS     COMPLETIONS   DURATION   AGE",
        "a      Complete   1/1                      5s",
        "b      Failed     0/1                      5s",
        "",
        "Job b failed: BackoffLimitExceeded: Job has reached it",
        "  the last pod that failed is b-x1: exit code 3 (Error)",
        "  its last output:",
        "    one",
        "    two\N{REPLACEMENT CHARACTER}[2J",
        "  its logs are in /tmp/x/logs",
    ]


def test_when_all_is_well_there_is_only_the_table() -> None:
    assert len(list(summary_lines([COMPLETE], BORN.timestamp(), lambda _: None))) == 2


def test_why_a_pod_failed_is_said_in_a_few_words() -> None:
    assert exit_text(ended(1)) == "exit code 1 (Error)"
    assert (
        exit_text(ended(128, reason="StartError", message="no such file")) == "exit code 128 (StartError): no such file"
    )
    deadline = Pod(status=PodStatus(phase="Failed", reason="DeadlineExceeded", message="Pod was active too long"))
    assert exit_text(deadline) == "DeadlineExceeded: Pod was active too long"
    assert exit_text(Pod(status=PodStatus(phase="Failed"))) == "no reason given"


def test_programs_get_the_list_that_kubectl_prints() -> None:
    document = json.loads(list_document([COMPLETE, FAILED]))
    assert (document["apiVersion"], document["kind"], document["metadata"]) == ("v1", "List", {"resourceVersion": ""})
    assert [(item["kind"], item["apiVersion"]) for item in document["items"]] == [("Job", "batch/v1")] * 2
    assert document["items"][1]["status"]["conditions"][1]["reason"] == "BackoffLimitExceeded"
    assert list(document) == sorted(document)

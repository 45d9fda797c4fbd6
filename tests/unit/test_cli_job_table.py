"""Jobs as kubectl shows them: the cells are those an API server computes."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podledger.api.document import job_from_document
from podledger.api.job import Job, JobCondition, JobSpec, JobStatus
from podledger.api.meta import ObjectMeta
from podledger_adapters.cli.job_table import completions_cell, human_duration, job_row, job_table, status_cell

SHARED = Path(os.environ.get("PODLEDGER_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (659, "10m"),
        (179 * 60 + 59, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 5 * 60, "3h5m"),
        (9 * 3600 + 50 * 60, "9h"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (9 * 86400 + 5 * 3600, "9d"),
        (2 * 365 * 86400 - 1, "729d"),
        (2 * 365 * 86400 + 86400, "2y1d"),
        (3 * 365 * 86400, "3y"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_durations_are_cut_as_kubectl_cuts_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def job(*, completions: int | None = 1, parallelism: int | None = 1, status: JobStatus | None = None) -> Job:
    created = datetime(2030, 1, 1, tzinfo=UTC)
    return Job(
        metadata=ObjectMeta(name="a", namespace="default", creation_timestamp=created),
        spec=JobSpec(completions=completions, parallelism=parallelism),
        status=status or JobStatus(),
    )


def with_conditions(*types: str) -> JobStatus:
    return JobStatus(conditions=tuple(JobCondition(type=type_, status="True") for type_ in types))


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ((), "Running"),
        (("SuccessCriteriaMet", "Complete"), "Complete"),
        (("FailureTarget", "Failed"), "Failed"),
        (("Suspended",), "Suspended"),
        (("FailureTarget",), "FailureTarget"),
        (("SuccessCriteriaMet",), "SuccessCriteriaMet"),
    ],
)
def test_the_status_is_the_first_condition_that_is_true(conditions: tuple[str, ...], status: str) -> None:
    assert status_cell(job(status=with_conditions(*conditions))) == status


def test_a_suspended_job_that_is_false_runs() -> None:
    resumed = JobStatus(conditions=(JobCondition(type="Suspended", status="False"),))
    assert status_cell(job(status=resumed)) == "Running"


def test_completions_of_a_work_queue_name_its_parallelism() -> None:
    done = JobStatus(succeeded=1)
    assert completions_cell(job(completions=8, status=done)) == "1/8"
    assert completions_cell(job(completions=None, parallelism=3, status=done)) == "1/1 of 3"
    assert completions_cell(job(completions=None, parallelism=1)) == "0/1"


def test_the_duration_ends_with_the_completion_and_goes_on_without_one() -> None:
    start, end = datetime(2030, 1, 1, 0, 0, 5, tzinfo=UTC), datetime(2030, 1, 1, 0, 0, 15, tzinfo=UTC)
    now_s = end.timestamp() + 60
    assert job_row(job(status=JobStatus(start_time=start, completion_time=end)), now_s)[3:] == ("10s", "75s")
    assert job_row(job(status=JobStatus(start_time=start)), now_s)[3:] == ("70s", "75s")
    assert job_row(job(), now_s)[3:] == ("", "75s")


def test_the_table_is_laid_out_as_by_kubectl() -> None:
    lines = job_table([job()], datetime(2030, 1, 1, tzinfo=UTC).timestamp() + 3)
    assert lines == ["NAME   STATUS    COMPLETIONS   DURATION   AGE", "a      Running   0/1                      3s"]


def test_the_cells_are_those_of_a_recorded_api_server() -> None:
    if not (SHARED / "recorded").is_dir():
        pytest.skip("no recordings of an API server here; set PODLEDGER_SHARED to the folder that holds recorded/")
    stored = job_from_document(json.loads((SHARED / "recorded" / "stored-job.json").read_text()))
    table = json.loads((SHARED / "recorded" / "table-jobs.json").read_text())
    assert stored.status.start_time is not None
    assert list(job_row(stored, stored.status.start_time.timestamp() + 3)) == table["rows"][0]["cells"][:5]

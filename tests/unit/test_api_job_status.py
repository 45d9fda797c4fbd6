"""What the API server enforces on a Job's status: each rule, and that rules sleep until what they speak of changes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from msgspec import structs
from tests.strategies import jobs

from podledger.api import Job, JobCondition, JobSpec, JobStatus, ObjectMeta, UncountedTerminatedPods
from podledger.api.validation import validate_status_update

START = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
END = START + timedelta(minutes=1)
NON_INDEXED = JobSpec(completions=3, parallelism=2, completion_mode="NonIndexed")
INDEXED = JobSpec(completions=3, parallelism=2, completion_mode="Indexed")
PER_INDEX = structs.replace(INDEXED, backoff_limit_per_index=1)
SUSPENDED = structs.replace(NON_INDEXED, suspend=True)


def conditions(*types: str) -> tuple[JobCondition, ...]:
    """These conditions, all True."""
    return tuple(JobCondition(type=type_, status="True") for type_ in types)


def status(*types: str, **fields: Any) -> JobStatus:
    """A status with these conditions True; it started."""
    return structs.replace(JobStatus(start_time=START, conditions=conditions(*types)), **fields)


def told(new: JobStatus, old: JobStatus | None = None, spec: JobSpec = NON_INDEXED) -> list[str]:
    """What validation says of this status write, one text a violation."""
    meta = ObjectMeta(name="pi", namespace="default", uid="u")
    before = Job(metadata=meta, spec=spec, status=old if old is not None else status())
    return [str(error) for error in validate_status_update(structs.replace(before, status=new), before)]


COMPLETE = status("SuccessCriteriaMet", "Complete", completion_time=END, succeeded=3)
FAILED = status("FailureTarget", "Failed", failed=1)
HEAD = "status.conditions: Invalid value: "


def test_the_way_of_a_job_that_succeeds_is_allowed() -> None:
    steps = [
        JobStatus(),
        status(active=2, ready=0),
        status(active=1, ready=1, uncounted_terminated_pods=UncountedTerminatedPods(succeeded=("a",))),
        status("SuccessCriteriaMet", active=0, ready=0, terminating=0, succeeded=3),
        COMPLETE,
    ]
    for old, new in pairwise(steps):
        assert told(new, old) == []


def test_the_way_of_a_job_that_fails_is_allowed() -> None:
    assert told(status("FailureTarget", active=1, failed=1)) == []
    assert told(FAILED, status("FailureTarget", failed=1)) == []


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (status(active=-1), ["status.active: Invalid value: -1: must be greater than or equal to 0"]),
        (
            status(uncounted_terminated_pods=UncountedTerminatedPods(succeeded=("a", ""), failed=("a",))),
            [
                'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
                'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
            ],
        ),
        (
            status("Complete", "SuccessCriteriaMet"),
            ["status.completionTime: Required value: completionTime is required for Complete jobs"],
        ),
        (
            status("Complete", completion_time=END),
            [f"{HEAD}cannot set Complete=True condition without the SuccessCriteriaMet=true condition"],
        ),
        (status("Failed"), [f"{HEAD}cannot set Failed=True condition without the FailureTarget=true condition"]),
        (
            status("SuccessCriteriaMet", "FailureTarget"),
            [f"{HEAD}cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"],
        ),
        (
            structs.replace(COMPLETE, conditions=conditions("SuccessCriteriaMet", "Complete", "FailureTarget")),
            [
                f"{HEAD}cannot set Complete=True and FailureTarget=true conditions",
                f"{HEAD}cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
            ],
        ),
        (
            status(completion_time=END),
            [
                'status.completionTime: Invalid value: "2026-01-31T12:01:00Z": cannot set completionTime when there is '
                "no Complete=True condition"
            ],
        ),
        (
            structs.replace(COMPLETE, completion_time=START - timedelta(seconds=1)),
            [
                'status.completionTime: Invalid value: "2026-01-31T11:59:59Z": completionTime cannot be set before '
                "startTime"
            ],
        ),
        (
            structs.replace(COMPLETE, active=1),
            ["status.active: Invalid value: 1: active>0 is invalid for finished job"],
        ),
        (
            structs.replace(COMPLETE, terminating=2),
            ["status.terminating: Invalid value: 2: terminating>0 is invalid for finished job"],
        ),
        (
            structs.replace(FAILED, uncounted_terminated_pods=UncountedTerminatedPods(failed=("a",))),
            [
                'status.uncountedTerminatedPods: Invalid value: {"Succeeded":null,"Failed":["a"]}: '
                "uncountedTerminatedPods needs to be empty for finished job"
            ],
        ),
        (status(active=1, ready=2), ["status.ready: Invalid value: 2: cannot set more ready pods than active"]),
        (
            status(completed_indexes="0"),
            [
                'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed '
                "completion mode"
            ],
        ),
        (
            status(failed_indexes=""),
            [
                'status.failedIndexes: Invalid value: "": cannot set non-null failedIndexes when backoffLimitPerIndex '
                "is null"
            ],
        ),
        (
            JobStatus(),
            ["status.startTime: Required value: startTime cannot be removed for unsuspended job"],
        ),
    ],
)
def test_a_status_that_breaks_a_rule(new: JobStatus, expected: list[str]) -> None:
    assert told(new) == expected


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (status(completed_indexes="0-2"), []),
        (
            status(completed_indexes="3"),
            ['status.completedIndexes: Invalid value: "3": error parsing completedIndexes: too large index: "3"'],
        ),
        (
            status(failed_indexes="1,0"),
            [
                'status.failedIndexes: Invalid value: "1,0": error parsing failedIndexes: non-increasing order, '
                "previous: 1, current: 0"
            ],
        ),
        (
            status(completed_indexes="0-1", failed_indexes="1-2"),
            [
                'status.failedIndexes: Invalid value: "1-2": failedIndexes and completedIndexes overlap at index: 1',
            ],
        ),
        (status(completed_indexes="0,2", failed_indexes="1"), []),
    ],
)
def test_index_lists_of_an_indexed_job(new: JobStatus, expected: list[str]) -> None:
    assert told(new, spec=PER_INDEX) == expected


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (
            status(),
            COMPLETE,
            [
                f"{HEAD}cannot disable the terminal Complete=True condition",
                "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
                f"{HEAD}cannot disable the SuccessCriteriaMet=True condition",
            ],
        ),
        (
            status(),
            FAILED,
            [
                f"{HEAD}cannot disable the terminal Failed=True condition",
                f"{HEAD}cannot disable the terminal FailureTarget=True condition",
                "status.failed: Invalid value: 0: cannot decrease the failed counter",
            ],
        ),
        (
            structs.replace(COMPLETE, completion_time=END + timedelta(seconds=1)),
            COMPLETE,
            ['status.completionTime: Invalid value: "2026-01-31T12:01:01Z": field is immutable'],
        ),
        (
            COMPLETE,
            status("Complete", completion_time=END, succeeded=3),
            [f"{HEAD}cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"],
        ),
        (
            structs.replace(COMPLETE, start_time=None),
            JobStatus(conditions=conditions("SuccessCriteriaMet"), succeeded=3),
            ["status.startTime: Required value: startTime is required for finished job"],
        ),
    ],
)
def test_what_ended_a_job_or_was_counted_cannot_be_taken_back(
    new: JobStatus, old: JobStatus, expected: list[str]
) -> None:
    assert told(new, old) == expected


def test_successes_may_drop_when_an_elastic_job_shrinks() -> None:
    elastic = structs.replace(INDEXED, parallelism=3)
    assert told(status(succeeded=1), status(succeeded=3), elastic) == []
    assert told(status(succeeded=1), status(succeeded=3), INDEXED) == [
        "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"
    ]


def test_the_start_is_fixed_unless_the_job_is_suspended_or_just_resumed() -> None:
    later = JobStatus(start_time=END)
    assert told(later, JobStatus()) == []
    assert told(later, status(), SUSPENDED) == []
    assert told(JobStatus(), status(), SUSPENDED) == []
    assert told(later, status("Suspended")) == []
    assert told(later, status()) == [
        "status.startTime: Required value: startTime cannot be removed for unsuspended job"
    ]


def test_a_suspended_job_of_no_completions_may_finish_without_a_start() -> None:
    nothing = structs.replace(SUSPENDED, completions=0)
    done = structs.replace(COMPLETE, start_time=None)
    before = JobStatus(conditions=conditions("SuccessCriteriaMet"), succeeded=3)
    assert told(done, before, nothing) == []
    assert told(done, before, SUSPENDED) == ["status.startTime: Required value: startTime is required for finished job"]


@pytest.mark.parametrize(
    ("old", "spec"),
    [
        (status(completed_indexes="0-9"), INDEXED),
        (status(failed_indexes="9"), PER_INDEX),
        (status(ready=3, active=2), NON_INDEXED),
        (structs.replace(COMPLETE, active=4), NON_INDEXED),
        (structs.replace(COMPLETE, start_time=None), NON_INDEXED),
        (status(completion_time=END), NON_INDEXED),
        (status("Failed"), NON_INDEXED),
        (status("Complete", completion_time=END), NON_INDEXED),
    ],
)
def test_what_was_wrong_before_does_not_block_other_changes(old: JobStatus, spec: JobSpec) -> None:
    assert told(structs.replace(old, failed=old.failed + 1), old, spec) == []


@given(jobs())
def test_writing_the_same_status_again_can_only_meet_the_rules_that_never_sleep(job: Job) -> None:
    always = ("SuccessCriteriaMet", "Duplicate value", "must not be empty")
    for error in validate_status_update(job, job):
        assert error.field.startswith("metadata") or any(word in error.message for word in always)

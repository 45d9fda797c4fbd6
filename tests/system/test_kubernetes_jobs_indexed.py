"""Indexed Jobs on an API server: indexes of their own back-off and limit, sparse successes, changed completions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from tests.kubernetes_server import api_server
from tests.system.kubernetes_user import ALL, Json, User, controlling, index_of, limited, now_text, phase_status

from podledger.job.limits import Limits
from podledger.job.names import INDEX_FAILURE_COUNT

SPARSE = 20_000


@pytest.mark.asyncio
async def test_indexes_keep_their_names_in_every_life_of_the_controller() -> None:
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access):
            await user.create_job(completions=4, parallelism=3, completionMode="Indexed")
            await user.check_counts(active=3)
            assert await user.active_indexes() == [0, 1, 2]
            await user.end("Succeeded", index=1)
            status = await user.check_counts(active=3, succeeded=1)
            assert (status["completedIndexes"], await user.active_indexes()) == ("1", [0, 2, 3])
        await user.end("Failed", index=2)
        async with controlling(access):
            status = await user.check_counts(active=3, succeeded=1, failed=1)
            assert (status["completedIndexes"], await user.active_indexes()) == ("1", [0, 2, 3])
            assert "failedIndexes" not in status
            await user.end("Succeeded", 3)
            status = await user.check_condition("Complete", "CompletionsReached")
            assert status["completedIndexes"] == "0-3"
            await user.check_counts(succeeded=4, failed=1)
            await user.check_free()


@pytest.mark.asyncio
async def test_no_completions_are_reached_at_once() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=0, parallelism=3, completionMode="Indexed")
        status = await user.check_condition("Complete", "CompletionsReached")
        assert [each["type"] for each in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
        assert (await user.pods(), status.get("completedIndexes")) == ([], None)
        await user.check_events("Completed")


@pytest.mark.asyncio
async def test_the_gaps_of_a_long_list_of_completed_indexes_are_filled_in_their_order() -> None:
    odd = ",".join(str(index) for index in range(1, SPARSE, 2))
    async with api_server() as (_, access), User(access) as user:
        job = await user.create_job(completions=SPARSE, parallelism=4, completionMode="Indexed")
        done = {"succeeded": SPARSE // 2, "completedIndexes": odd, "startTime": now_text()}
        await user.must("PATCH", "jobs/job/status", {"status": done}, "merge-patch+json")
        assert job["spec"]["backoffLimit"] == 6
        async with controlling(access):
            await user.check_counts(active=4, succeeded=SPARSE // 2)
            assert await user.active_indexes() == [0, 2, 4, 6]
            await user.end("Succeeded", index=4)
            status = await user.check_counts(active=4, succeeded=SPARSE // 2 + 1)
            assert status["completedIndexes"].startswith("1,3-5,7,9,11")
            assert await user.active_indexes() == [0, 2, 6, 8]


# ---- backoffLimitPerIndex -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """A pod of an index ends, and what is seen then. `bears` is the failure count its replacement bears."""

    index: int
    status: Json
    failed: str
    counts: dict[str, int]
    active: Sequence[int] = ()
    completed: str | None = None
    bears: int | None = None


@dataclass(frozen=True)
class Course:
    """A Job whose pods end one after the other; what still runs then succeeds."""

    name: str
    spec: dict[str, Any]
    ends: Sequence[End]
    condition: str
    reason: str


FAILED, SUCCEEDED = phase_status("Failed"), phase_status("Succeeded")
DISRUPTED = {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}
FAIL_INDEX = {
    "rules": [
        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [13]}},
        {"action": "FailIndex", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
}

COURSES = [
    Course(
        "retried within its limit",
        {"completions": 2, "backoffLimitPerIndex": 1},
        [End(0, FAILED, "", {"active": 2, "failed": 1}, (0, 1), bears=1)],
        "Complete",
        "CompletionsReached",
    ),
    Course(
        "an index fails beyond its limit",
        {"completions": 2, "backoffLimitPerIndex": 2},
        [
            End(0, FAILED, "", {"active": 2, "failed": 1}, (0, 1), bears=1),
            End(0, FAILED, "", {"active": 2, "failed": 2}, (0, 1), bears=2),
            End(0, FAILED, "0", {"active": 1, "failed": 3}, (1,)),
        ],
        "Failed",
        "FailedIndexes",
    ),
    Course(
        "the Job's own limit is met first",
        {"completions": 3, "backoffLimitPerIndex": 1, "backoffLimit": 2},
        [
            End(0, FAILED, "", {"active": 3, "failed": 1}, (0, 1, 2)),
            End(1, FAILED, "", {"active": 3, "failed": 2}, (0, 1, 2)),
            End(2, FAILED, "", {"failed": 5}),
        ],
        "Failed",
        "BackoffLimitExceeded",
    ),
    Course(
        "a failed index does not stop the others",
        {"completions": 2, "backoffLimitPerIndex": 0},
        [
            End(0, FAILED, "0", {"active": 1, "failed": 1}, (1,)),
            End(1, SUCCEEDED, "0", {"failed": 1, "succeeded": 1}, completed="1"),
        ],
        "Failed",
        "FailedIndexes",
    ),
    Course(
        "too many failed indexes",
        {"completions": 3, "backoffLimitPerIndex": 0, "maxFailedIndexes": 1},
        [
            End(0, FAILED, "0", {"active": 2, "failed": 1}, (1, 2)),
            End(1, FAILED, "0,1", {"failed": 3}),
        ],
        "Failed",
        "MaxFailedIndexesExceeded",
    ),
    Course(
        "a policy fails indexes at once",
        {"completions": 2, "backoffLimitPerIndex": 1, "podFailurePolicy": FAIL_INDEX},
        [
            End(0, phase_status("Failed", 13), "0", {"active": 1, "failed": 1}, (1,)),
            End(1, DISRUPTED, "0,1", {"failed": 2}),
        ],
        "Failed",
        "FailedIndexes",
    ),
    Course(
        "a success policy that is met with the last index does not undo a failed one",
        {"completions": 2, "backoffLimitPerIndex": 0, "successPolicy": {"rules": [{"succeededCount": 1}]}},
        [
            End(0, FAILED, "0", {"active": 1, "failed": 1}, (1,)),
            End(1, SUCCEEDED, "0", {"failed": 1, "succeeded": 1}, completed="1"),
        ],
        "Failed",
        "FailedIndexes",
    ),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
async def test_each_index_has_its_own_limit(course: Course) -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completionMode="Indexed", parallelism=course.spec["completions"], **course.spec)
        status = await user.check_counts(active=course.spec["completions"])
        assert status["failedIndexes"] == ""
        for end in course.ends:
            await user.report(end.status, index=end.index)
            status = await user.check_counts(**end.counts)
            assert (status["failedIndexes"], status.get("completedIndexes")) == (end.failed, end.completed)
            assert await user.active_indexes() == list(end.active)
            if end.bears is not None:
                (pod,) = await user.pods(live=True, index=end.index)
                assert pod["metadata"]["annotations"][INDEX_FAILURE_COUNT] == str(end.bears)
        if course.ends[-1].active:
            await user.end("Succeeded", len(course.ends[-1].active))
        await user.check_condition(course.condition, course.reason)
        await user.check_free()


@pytest.mark.asyncio
async def test_a_failed_pod_that_is_deleted_stays_until_its_replacement_bears_its_history() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=1, parallelism=1, completionMode="Indexed", backoffLimitPerIndex=1)
        await user.check_counts(active=1)
        (failed,) = await user.end("Failed")
        await user.delete_pod(failed)
        await user.check_counts(active=1, failed=1)
        (pod,) = await user.pods(live=True)
        assert pod["metadata"]["annotations"][INDEX_FAILURE_COUNT] == "1"
        await user.end("Succeeded")
        await user.check_condition("Complete")
        await user.check_counts(succeeded=1, failed=1)
        assert [each["metadata"]["name"] for each in await user.pods()] == [pod["metadata"]["name"]]


@pytest.mark.asyncio
async def test_each_index_waits_for_its_own_back_off_from_the_end_of_its_pod() -> None:
    """Its delays double: a second after its first failure, two after its second, whatever other indexes do."""
    base_s = 1
    options = limited(Limits(backoff_base_s=base_s))
    async with api_server() as (_, access), User(access) as user, controlling(access, options=options):
        await user.create_job(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=2)
        await user.check_counts(active=2)
        await user.end("Failed", index=0)
        await user.check_counts(active=2, failed=1)
        await user.end("Failed", index=0)
        await user.end("Failed", index=1)
        await user.check_counts(active=2, failed=3)
        await user.end("Succeeded", 2)
        await user.check_condition("Complete")
        for index in (0, 1):
            pods = sorted(await user.pods(index=index), key=failures_before)
            for number, (failed, replacement) in enumerate(pairwise(pods)):
                delay_s = base_s * 2**number
                assert seconds(replacement["metadata"]["creationTimestamp"]) >= finished_s(failed) + delay_s
                assert failures_before(replacement) == number + 1


def failures_before(pod: Json) -> int:
    """The failures of its index before a pod."""
    return int(pod["metadata"]["annotations"][INDEX_FAILURE_COUNT])


def seconds(text: str) -> int:
    """The second of a minute-long test; all times here are of one day."""
    hours, minutes, rest = text.split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def finished_s(pod: Json) -> int:
    """When a pod finished."""
    return seconds(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"])


# ---- completions that change ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_more_completions_are_run_too() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=3, parallelism=3, completionMode="Indexed")
        await user.check_counts(active=3)
        await user.patch_job(completions=4, parallelism=4)
        await user.check_counts(active=4)
        await user.end("Succeeded", ALL)
        status = await user.check_condition("Complete")
        assert (status["completedIndexes"], status["succeeded"]) == ("0-3", 4)


@pytest.mark.asyncio
async def test_of_completions_that_are_left_out_failures_still_count_and_successes_do_not() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=3, parallelism=3, completionMode="Indexed")
        await user.check_counts(active=3)
        await user.end("Succeeded", index=1)
        await user.end("Failed", index=2)
        status = await user.check_counts(active=2, succeeded=1, failed=1)
        assert (status["completedIndexes"], await user.active_indexes()) == ("1", [0, 2])
        await user.patch_job(completions=1, parallelism=1)
        await user.check_counts(active=1, failed=1)
        await user.end("Succeeded", index=0)
        status = await user.check_condition("Complete")
        assert (status["completedIndexes"], status["succeeded"], status["failed"]) == ("0", 1, 1)


@pytest.mark.asyncio
async def test_an_index_that_was_left_out_and_comes_back_is_run_again() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=3, parallelism=3, completionMode="Indexed")
        await user.check_counts(active=3)
        (first,) = await user.end("Succeeded", index=2)
        await user.check_counts(active=2, succeeded=1)
        await user.patch_job(completions=2, parallelism=2)
        status = await user.check_counts(active=2)
        assert "completedIndexes" not in status
        await user.patch_job(completions=3, parallelism=3)
        await user.check_counts(active=3)
        assert await user.active_indexes() == [0, 1, 2]
        again = [pod["metadata"]["name"] for pod in await user.pods(index=2)]
        assert len(again) == 2
        assert first["metadata"]["name"] in again
        await user.end("Succeeded", 3)
        status = await user.check_condition("Complete")
        assert status["completedIndexes"] == "0-2"


@pytest.mark.asyncio
async def test_scaled_to_nothing_a_job_is_complete() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=3, parallelism=3, completionMode="Indexed")
        await user.check_counts(active=3)
        await user.patch_job(completions=0, parallelism=0)
        await user.check_condition("Complete", "CompletionsReached")
        await user.check_counts()
        assert [index_of(pod) for pod in await user.pods()] == []

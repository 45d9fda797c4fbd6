"""Policies, limits and late results that meet in one sync: what Kubernetes' own Job controller makes of such states.

They are further rows in the form of the table in `test_job_cases.py`, numbered on their own.
"""

import pytest
from msgspec.structs import replace
from tests.unit.job_case import Row, World, check, play, published
from tests.unit.job_world import condition, fail_policy, job, make_pod, pods_of, status, status_of_phase, success_policy

from podledger.api.job import (
    Job,
    JobStatus,
    PodFailurePolicy,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
)
from podledger.api.pod import Pod, PodCondition

PATTERN = PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True")
ON_DISRUPTION = PodFailurePolicy(rules=(PodFailurePolicyRule(action="FailJob", on_pod_conditions=(PATTERN,)),))
ONE_OF_TWO = success_policy("0,1", 1)
BY_POLICY = "SuccessCriteriaMet=SuccessPolicy"
MET = condition("SuccessCriteriaMet", reason="SuccessPolicy", message="Matched rules at index 0")
TARGET = condition("FailureTarget", reason="PodFailurePolicy", message="Pod default/gone has condition")


def indexed(completions: int, *, given: JobStatus | None = None, **spec: object) -> Job:
    """An Indexed Job that runs all its indexes at once."""
    shape = {"parallelism": completions, "completions": completions, "completion_mode": "Indexed"}
    return job(restart="Never", given=given, **shape, **spec)


def disrupted(name: str, *, finalizer: bool = True) -> Pod:
    """A pod of index 0 that was evicted."""
    failed = status_of_phase("Failed", 0, code=137)
    target = PodCondition(type="DisruptionTarget", status="True")
    return make_pod(name, index="0", finalizer=finalizer, status=replace(failed, conditions=(target,)))


def with_disrupted(world: World) -> None:
    world.put_pod(disrupted("evicted"))


def with_disrupted_let_go(world: World) -> None:
    world.put_pod(disrupted("evicted", finalizer=False))


def first_write_settles_and_lists(world: World) -> None:
    first = published(world)[0]
    assert (first.succeeded, first.failed) == (3, 4)


def ends_when_they_do(world: World) -> None:
    for uid in [uid for uid, pod in world.pods.items() if pod.metadata.deletion_timestamp is not None]:
        world.set_status(uid, status_of_phase("Succeeded", world.now))
    world.sync()
    final = world.job.status
    assert (final.is_true("Complete"), final.failed, final.succeeded, final.terminating) == (True, 1, 1, 0)


ROWS = [
    Row(
        1,
        "success policy met, a failure policy that matches nothing: running pods end, uncounted",
        indexed(2, success_policy=ONE_OF_TWO, pod_failure_policy=ON_DISRUPTION),
        "F@0 R@0 S@1",
        deleted="R@0",
        status={"failed": 1, "succeeded": 1, "terminating": 1, "completed_indexes": "1"},
        conditions=(BY_POLICY,),
        then=ends_when_they_do,
    ),
    Row(
        2,
        "success policy met, an index still within its limit",
        indexed(2, success_policy=ONE_OF_TWO, backoff_limit_per_index=2),
        "F@0 R@0 S@1",
        deleted="R@0",
        status={"failed": 1, "succeeded": 1, "terminating": 1, "failed_indexes": "", "completed_indexes": "1"},
        conditions=(BY_POLICY,),
        then=ends_when_they_do,
    ),
    Row(
        3,
        "success decided before, all pods ended since: complete",
        indexed(2, given=status(MET), success_policy=ONE_OF_TWO, backoff_limit_per_index=2),
        "F@0 S@1",
        status={"failed": 1, "succeeded": 1, "completed_indexes": "1"},
        conditions=(BY_POLICY, "Complete=SuccessPolicy"),
    ),
    Row(
        4,
        "success decided before, pods still run: they are deleted, it is not complete",
        indexed(3, given=status(MET), success_policy=ONE_OF_TWO, backoff_limit_per_index=3),
        "F@0 R@1 S@1 R@2",
        deleted="R@1 R@2",
        status={"failed": 1, "succeeded": 1, "terminating": 2, "completed_indexes": "1"},
        conditions=(BY_POLICY,),
        then=ends_when_they_do,
    ),
    Row(
        5,
        "a failure policy fails the Job that its success policy would complete",
        indexed(2, success_policy=ONE_OF_TWO, pod_failure_policy=ON_DISRUPTION),
        "R@0 S@1",
        given=with_disrupted,
        deleted="R@0",
        status={"failed": 2, "succeeded": 1, "terminating": 1, "completed_indexes": "1"},
        conditions=("FailureTarget=PodFailurePolicy",),
    ),
    Row(
        6,
        "the last index fails for good while the success policy is met",
        indexed(2, success_policy=ONE_OF_TWO, backoff_limit_per_index=1),
        "F@0(1) S@1",
        status={"failed": 1, "succeeded": 1, "failed_indexes": "0", "completed_indexes": "1"},
        conditions=("FailureTarget=FailedIndexes", "Failed=FailedIndexes"),
    ),
    Row(
        7,
        "backoffLimit exceeded while the success policy is met",
        indexed(2, success_policy=ONE_OF_TWO, backoff_limit=1),
        "a=F@0 b=F@0 S@1",
        status={"failed": 2, "succeeded": 1, "completed_indexes": "1"},
        conditions=("FailureTarget=BackoffLimitExceeded", "Failed=BackoffLimitExceeded"),
    ),
    Row(
        8,
        "success decided before, a failure policy matches now: complete",
        indexed(
            2,
            given=status(MET, succeeded=1, completed_indexes="1"),
            success_policy=success_policy(None, 1),
            pod_failure_policy=ON_DISRUPTION,
        ),
        "S@1",
        given=with_disrupted,
        status={"failed": 1, "succeeded": 1, "completed_indexes": "1"},
        conditions=(BY_POLICY, "Complete=SuccessPolicy"),
    ),
    Row(
        9,
        "success decided before, the other index fails for good now: it is named, the Job is complete",
        indexed(
            2,
            given=status(MET, succeeded=1, completed_indexes="1"),
            success_policy=success_policy("1"),
            backoff_limit_per_index=1,
        ),
        "F@0(1) S@1",
        status={"failed": 1, "succeeded": 1, "failed_indexes": "0", "completed_indexes": "1"},
        conditions=(BY_POLICY, "Complete=SuccessPolicy"),
    ),
    Row(
        10,
        "success decided before, backoffLimit exceeded now: complete",
        indexed(2, given=status(MET, succeeded=1, completed_indexes="1"), success_policy=ONE_OF_TWO, backoff_limit=0),
        "F@0 S@1",
        status={"failed": 1, "succeeded": 1},
        conditions=(BY_POLICY, "Complete=SuccessPolicy"),
    ),
    Row(
        11,
        "failure decided before by a pod that is let go, the success policy is met now: failed, with the late success",
        indexed(2, given=status(TARGET, failed=1), success_policy=ONE_OF_TWO, pod_failure_policy=ON_DISRUPTION),
        "S@1",
        given=with_disrupted_let_go,
        status={"failed": 1, "succeeded": 1, "completed_indexes": "1"},
        conditions=("FailureTarget=PodFailurePolicy", "Failed=PodFailurePolicy"),
    ),
    Row(
        12,
        "an index fails by the policy and another by its limit, the third runs: one more than maxFailedIndexes",
        indexed(3, backoff_limit_per_index=2, max_failed_indexes=1, pod_failure_policy=fail_policy("FailIndex", 7)),
        "F@0!7 F@1(2) R@2",
        deleted="R@2",
        status={"failed": 3, "failed_indexes": "0,1", "terminating": 1},
        conditions=("FailureTarget=MaxFailedIndexesExceeded",),
    ),
    Row(
        13,
        "a rule for ignored failures keeps an index within its limit, whose history goes on",
        indexed(1, backoff_limit_per_index=0, pod_failure_policy=fail_policy("Ignore", 7)),
        "F@0!7",
        created=(0,),
        status={"failed": 0, "failed_indexes": "", "active": 1},
        conditions=(),
    ),
    Row(
        14,
        "results of before and new ones: listed uids without a pod that is held are counted in the first write",
        job(
            given=status(uncounted=(["a", "e"], ["b", "f"]), succeeded=2, failed=3),
            parallelism=0,
            completions=50,
        ),
        "e=S,nf x=F,nf a=S b=F c=S d=F",
        released="a b c d",
        uncounted=("a c", "b d"),
        status={"succeeded": 5, "failed": 6},
        then=first_write_settles_and_lists,
    ),
    Row(
        15,
        "deleted pods: those that had succeeded count as that, the others as failed, those let go not at all",
        job(parallelism=0, completions=50),
        "a=T b=T,nf c=S d=F",
        released="a c d",
        uncounted=("c", "a d"),
        status={"succeeded": 1, "failed": 2, "terminating": 2},
    ),
    Row(
        16,
        "completions were lowered below the only completed index",
        indexed(2, given=status(succeeded=1, completed_indexes="3", active=2)),
        "R@0 R@1",
        status={"succeeded": 0, "completed_indexes": "", "active": 2},
        writes="PUT",
    ),
    Row(
        17,
        "and an index within them succeeds in the same sync",
        indexed(2, given=status(succeeded=1, completed_indexes="3", active=2)),
        "R@0 S@1",
        status={"succeeded": 1, "completed_indexes": "1", "active": 1},
        writes="PUT PATCH",
    ),
    Row(
        18,
        "FailureTarget=False and SuccessCriteriaMet=False were added by hand: no decision",
        job(given=status(condition("FailureTarget", "False"), condition("SuccessCriteriaMet", "False"))),
        "R,ready",
        status={"active": 1, "ready": 1},
        conditions=("not FailureTarget", "not SuccessCriteriaMet"),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_one_sync_makes_of_this_state_what_kubernetes_makes_of_it(row: Row) -> None:
    check(row, play(row))


def test_a_pod_that_restarts_in_place_and_one_that_fails_share_the_limit() -> None:
    """restartPolicy OnFailure, backoffLimit 2: restarts of running pods are weighed apart from failed pods."""
    world = play(Row(0, "", job(restart="OnFailure", parallelism=2, completions=2, backoff_limit=2), "R*1 F"))
    assert not world.job.status.is_true("FailureTarget")
    for pod in pods_of("late=R*1").values():
        world.put_pod(pod)
    world.sync()
    assert world.job.status.condition("FailureTarget") is not None

"""Rows 51 to 64 of the table: back-off per index, success policies."""

from tests.unit.job_case import Row, World, done
from tests.unit.job_world import condition, fail_policy, job, status, success_policy

from podledger.api.job import Job, JobCondition, JobStatus
from podledger.job import command as cmd
from podledger.job.names import IGNORED_FAILURE_COUNT, INDEX_FAILURE_COUNT

__all__ = ["ROWS"]

BACKOFF = "FailureTarget=BackoffLimitExceeded"


BACKOFF_FAILED = "Failed=BackoffLimitExceeded"


BY_POLICY = "SuccessCriteriaMet=SuccessPolicy"


def per_index(parallelism: int, completions: int, *, given: JobStatus | None = None, **spec: object) -> Job:
    """An Indexed Job with one retry per index."""
    return job(
        restart="Never",
        given=given,
        parallelism=parallelism,
        completions=completions,
        completion_mode="Indexed",
        backoff_limit_per_index=1,
        **spec,
    )


def three(*, given: JobStatus | None = None, **spec: object) -> Job:
    """An Indexed Job of three."""
    return job(restart="Never", given=given, parallelism=3, completions=3, completion_mode="Indexed", **spec)


def started(*conditions: JobCondition) -> JobStatus:
    return status(*conditions)


def counts_on_the_replacements(world: World) -> None:
    """Row 51, then row 52."""
    notes = [c.pod.metadata.annotations[INDEX_FAILURE_COUNT] for c in world.commands if isinstance(c, cmd.CreatePod)]
    assert notes == ["1", "0"]
    assert world.wake_at == world.now, "the replacement is seen by the next sync"
    world.forget_calls()
    world.sync()
    assert [c.uid for c in done(world, cmd.ReleasePod) if isinstance(c, cmd.ReleasePod)] == ["F@0"]
    assert (world.job.status.failed, world.job.status.failed_indexes, world.job.status.active) == (1, "", 2)


def ignored_is_counted_apart(world: World) -> None:
    created = next(c.pod.metadata.annotations for c in world.commands if isinstance(c, cmd.CreatePod))
    assert (created[INDEX_FAILURE_COUNT], created[IGNORED_FAILURE_COUNT]) == ("0", "1")
    world.settle()
    assert world.job.status.failed == 0


def index_zero_follows(world: World) -> None:
    world.now += 10
    world.settle()
    assert (world.job.status.active, world.job.status.failed) == (2, 1)


def only_then_one_is_created(world: World) -> None:
    world.now += 10
    world.forget_calls()
    world.sync()
    assert [c.pod.spec.hostname for c in world.commands if isinstance(c, cmd.CreatePod)] == ["job-0"]


def complete_once_they_went(world: World) -> None:
    assert world.job.status.conditions[0].message == "Matched rules at index 0"
    for name in ("R@0", "R@2"):
        world.remove_pod(name)
    world.sync()
    assert world.job.status.is_true("Complete")
    assert (world.job.status.failed, world.job.status.succeeded) == (1, 1)


INDEX_ROWS = [
    Row(
        51,
        "BLPI1 P2 C2: index 0 F(0), old; row 52: F and its replacement visible",
        per_index(2, 2),
        "F@0",
        created=(0, 1),
        released="",
        status={"active": 2, "failed": 0, "failed_indexes": ""},
        then=counts_on_the_replacements,
    ),
    Row(
        53,
        "BLPI1 P2 C2: index 0 F(1)",
        per_index(2, 2),
        "F@0(1)",
        created=(1,),
        status={"failed": 1, "failed_indexes": "0"},
        conditions=(),
    ),
    Row(
        54,
        "BLPI1 C2: 0 F(1), 1 S",
        per_index(2, 2),
        "F@0(1) S@1",
        status={"failed": 1, "succeeded": 1, "failed_indexes": "0", "completed_indexes": "1"},
        conditions=("FailureTarget=FailedIndexes", "Failed=FailedIndexes"),
    ),
    Row(
        55,
        "BLPI1 max1 P4 C4: 0 F(1), 1 S, 2 F(1), 3 R",
        per_index(4, 4, max_failed_indexes=1),
        "F@0(1) S@1 F@2(1) R@3",
        deleted="R@3",
        status={"failed": 3, "failed_indexes": "0,2", "terminating": 1},
        conditions=("FailureTarget=MaxFailedIndexesExceeded",),
    ),
    Row(
        56,
        "BLPI1 BL1 C2: 0 F(0), 1 F(0)",
        per_index(2, 2, backoff_limit=1),
        "F@0 F@1",
        status={"failed": 2, "failed_indexes": ""},
        conditions=(BACKOFF, BACKOFF_FAILED),
    ),
    Row(
        57,
        "BLPI1, FailIndex exit 3: 0 F(0) exit 3",
        per_index(2, 2, pod_failure_policy=fail_policy("FailIndex", 3)),
        "F@0!3",
        created=(1,),
        status={"failed": 1, "failed_indexes": "0"},
        conditions=(),
    ),
    Row(
        58,
        "BLPI1, Ignore: 0 F(0) ignored",
        per_index(1, 1, pod_failure_policy=fail_policy("Ignore", 1)),
        "F@0!1",
        created=(0,),
        status={"failed": 0},
        then=ignored_is_counted_apart,
    ),
    Row(
        59,
        "BLPI1 P2: 0 F just now, 1 never run",
        per_index(2, 2),
        "F@0,new",
        created=(1,),
        wake_s=10,
        then=index_zero_follows,
    ),
    Row(
        60,
        "BLPI1 P1 C3: 0 F just now: nothing until its back-off ends",
        per_index(1, 3),
        "F@0,new",
        wake_s=10,
        then=only_then_one_is_created,
    ),
]


SUCCESS_ROWS = [
    Row(
        61,
        "successPolicy 0,1 count 1, C3: 0 F, 0 R, 1 S, 2 R",
        three(success_policy=success_policy("0,1", 1)),
        "F@0 R@0 S@1 R@2",
        deleted="R@0 R@2",
        released="F@0 R@0 S@1 R@2",
        status={"failed": 1, "succeeded": 1, "terminating": 2},
        conditions=(BY_POLICY,),
        then=complete_once_they_went,
    ),
    Row(
        62,
        "#61 plus a FailJob match in the same sync: failure, running pods included",
        three(success_policy=success_policy("0,1", 1), pod_failure_policy=fail_policy("FailJob", 5)),
        "F@0!5 R@0 S@1 R@2",
        deleted="R@0 R@2",
        status={"failed": 3, "succeeded": 1},
        conditions=("FailureTarget=PodFailurePolicy",),
    ),
    Row(
        63,
        "SuccessCriteriaMet present, a new F exceeds BL and fails its index: still Complete",
        per_index(
            3,
            3,
            backoff_limit=0,
            success_policy=success_policy("1"),
            given=status(
                condition("SuccessCriteriaMet", "True", "SuccessPolicy"),
                succeeded=1,
                completed_indexes="1",
                failed_indexes="",
            ),
        ),
        "F@0(1)",
        status={"failed": 1, "failed_indexes": "0"},
        conditions=(BY_POLICY, "Complete=SuccessPolicy"),
    ),
    Row(
        64,
        "FailureTarget present, success policy now met: Failed",
        three(success_policy=success_policy("1"), given=started(condition("FailureTarget"))),
        "S@1",
        status={"completed_indexes": "1", "succeeded": 1},
        conditions=("FailureTarget=Reason", "Failed=Reason"),
    ),
]


ROWS = [*INDEX_ROWS, *SUCCESS_ROWS]

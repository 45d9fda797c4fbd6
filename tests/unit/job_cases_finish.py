"""Rows 38 to 50 of the table: finishing, limits, deletion of the Job, failure policies."""

from tests.unit.job_case import Row, World
from tests.unit.job_performer import START_S, at
from tests.unit.job_world import condition, fail_policy, job, make_pod, status, status_of_phase

from podledger.api.job import JobCondition, JobStatus
from podledger.api.pod import ContainerState, ContainerStateTerminated, ContainerStatus, PodStatus

__all__ = ["ROWS"]

BACKOFF = "FailureTarget=BackoffLimitExceeded"


BACKOFF_FAILED = "Failed=BackoffLimitExceeded"


NAMED = condition(
    "FailureTarget", "True", "PodFailurePolicy", "Container main for pod default/gone failed with exit code 5"
)


def by_hand(kind: str, value: str) -> JobCondition:
    """A condition somebody put there."""
    return condition(kind, value, "ByHand", "by hand")


def started(*conditions: JobCondition) -> JobStatus:
    return status(*conditions)


def two_containers(init_code: int, main_code: int) -> PodStatus:
    """A failed pod whose init container and main container ended so."""

    def ended(name: str, code: int) -> ContainerStatus:
        terminated = ContainerStateTerminated(exit_code=code, finished_at=at(START_S - 3000))
        return ContainerStatus(name=name, state=ContainerState(terminated=terminated))

    return PodStatus(
        phase="Failed",
        init_container_statuses=(ended("setup", init_code),),
        container_statuses=(ended("main", main_code),),
    )


def put_failed_in_init(world: World) -> None:
    world.put_pod(make_pod("F1", status=two_containers(5, 143)))


def put_half_ended(world: World) -> None:
    main = status_of_phase("Running", 0).container_statuses
    side = ContainerStatus(name="side", state=ContainerState(terminated=ContainerStateTerminated(exit_code=5)))
    world.put_pod(make_pod("R1", status=PodStatus(phase="Running", container_statuses=(*main, side))))


def the_message_stands(world: World) -> None:
    assert {c.message for c in world.job.status.conditions} == {NAMED.message}


def failed_is_turned_in_place(world: World) -> None:
    assert [c.type for c in world.job.status.conditions] == ["Failed", "FailureTarget"]
    assert world.job.status.conditions[0].last_transition_time == at(START_S)


def replaced_when_its_ten_seconds_are_over(world: World) -> None:
    world.now += 10
    world.settle()
    assert (world.job.status.active, world.job.status.failed) == (1, 0)


def fails_after_the_running_pod_went(world: World) -> None:
    world.remove_pod("R1")
    world.sync()
    assert world.job.status.is_true("Failed")
    assert world.job.status.failed == 2


def names_the_init_container(world: World) -> None:
    text = "Container setup for pod default/F1 failed with exit code 5 matching FailJob rule at index 0"
    assert world.job.status.conditions[0].message == text


FINISH_ROWS = [
    Row(
        38,
        "back-off limit exceeded and deadline passed",
        job(parallelism=1, completions=1, backoff_limit=0, active_deadline_seconds=1, given=status()),
        "F",
        conditions=(BACKOFF, BACKOFF_FAILED),
    ),
    Row(
        39,
        "FailureTarget names a deleted pod, another pod matches FailJob",
        job(parallelism=1, completions=1, pod_failure_policy=fail_policy("FailJob", 5), given=started(NAMED)),
        "F!5",
        conditions=("FailureTarget=PodFailurePolicy", "Failed=PodFailurePolicy"),
        then=the_message_stands,
    ),
    Row(
        40,
        "Failed=False placed by hand, deadline passed",
        job(parallelism=1, completions=1, active_deadline_seconds=1, given=started(by_hand("Failed", "False"))),
        conditions=("Failed=DeadlineExceeded", "FailureTarget=DeadlineExceeded"),
        then=failed_is_turned_in_place,
    ),
    Row(
        41,
        "the Job is being deleted, 1P 1R 1S: only finalizers come off",
        job(parallelism=3, completions=3),
        "P R S",
        given=lambda world: world.change_job(deleting=True),
        released="P1 R1 S1",
        status={"succeeded": 1, "failed": 0, "active": 2},
        conditions=(),
    ),
    Row(
        42,
        "the Job is being deleted, BL0, 1F",
        job(parallelism=1, completions=1, backoff_limit=0),
        "F",
        given=lambda world: world.change_job(deleting=True),
        conditions=(BACKOFF, BACKOFF_FAILED),
    ),
    Row(
        43,
        "OnFailure BL0, no restart: runs on",
        job(restart="OnFailure", parallelism=1, completions=1, backoff_limit=0),
        "R",
        status={"active": 1},
        conditions=(),
    ),
    Row(
        43,
        "OnFailure BL0, one restart",
        job(restart="OnFailure", parallelism=1, completions=1, backoff_limit=0),
        "R*1",
        deleted="R1",
        conditions=(BACKOFF,),
    ),
    Row(
        44,
        "OnFailure BL2, two R with restarts 1+1",
        job(restart="OnFailure", parallelism=2, completions=2, backoff_limit=2),
        "2R*1",
        deleted="R1 R2",
        status={"failed": 2},
        conditions=(BACKOFF,),
    ),
    Row(
        44,
        "OnFailure BL3, two R with restarts 1+1: runs on",
        job(restart="OnFailure", parallelism=2, completions=2, backoff_limit=3),
        "2R*1",
        status={"active": 2},
        conditions=(),
    ),
    Row(
        45, "Never BL1, 1F: replaced", job(parallelism=1, completions=1, backoff_limit=1), "F", created=1, conditions=()
    ),
    Row(
        45,
        "Never BL1, 2F",
        job(parallelism=1, completions=1, backoff_limit=1),
        "2F",
        conditions=(BACKOFF, BACKOFF_FAILED),
    ),
]


POLICY_ROWS = [
    Row(
        46,
        "PFP Ignore exit 1, BL0, F exit 1",
        job(parallelism=1, completions=1, backoff_limit=0, pod_failure_policy=fail_policy("Ignore", 1)),
        "F!1,new",
        released="F1",
        status={"failed": 0},
        conditions=(),
        wake_s=10,
        then=replaced_when_its_ten_seconds_are_over,
    ),
    Row(
        47,
        "PFP FailJob exit 5: pods F(5), R",
        job(parallelism=2, completions=2, pod_failure_policy=fail_policy("FailJob", 5)),
        "F!5 R",
        deleted="R1",
        status={"failed": 2},
        conditions=("FailureTarget=PodFailurePolicy",),
        then=fails_after_the_running_pod_went,
    ),
    Row(
        48,
        "PFP, R pod with one container terminated exit 5: nothing",
        job(parallelism=1, completions=1, pod_failure_policy=fail_policy("FailJob", 5)),
        given=put_half_ended,
        status={"active": 1, "failed": 0},
        conditions=(),
    ),
    Row(
        49,
        "PFP In [5]: init container exit 5, main exit 143",
        job(parallelism=1, completions=1, pod_failure_policy=fail_policy("FailJob", 5)),
        given=put_failed_in_init,
        conditions=("FailureTarget=PodFailurePolicy", "Failed=PodFailurePolicy"),
        then=names_the_init_container,
    ),
    Row(
        50,
        "PFP, T pod, BL0, work queue: not failed, not replaced",
        job(parallelism=1, backoff_limit=0, pod_failure_policy=fail_policy("FailJob", 5)),
        "T",
        released="",
        status={"failed": 0, "terminating": 1},
        conditions=(),
    ),
]


ROWS = [*FINISH_ROWS, *POLICY_ROWS]

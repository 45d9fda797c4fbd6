"""Rows 65 to 72 and 81 to 87 of the table: suspension, letting go, waiting, work queues."""

from msgspec.structs import replace
from tests.unit.job_case import Row, World
from tests.unit.job_performer import START_S, at
from tests.unit.job_world import condition, job, status

__all__ = ["ROWS"]

MET = "SuccessCriteriaMet=CompletionsReached"


COMPLETE = "Complete=CompletionsReached"


SUSPENDED = condition("Suspended", "True", "JobSuspended", "Job suspended")


def waits_for_the_replaced(world: World) -> None:
    for name in ("T1", "T2"):
        world.remove_pod(name)
    world.sync()
    assert world.job.status.active == 2


def not_finished_without_a_start(world: World) -> None:
    world.settle()
    assert [c.type for c in world.job.status.conditions] == ["SuccessCriteriaMet"]
    world.change_job(spec=replace(world.job.spec, suspend=False))
    world.settle()
    assert world.job.status.is_true("Complete")
    assert world.job.status.start_time == at(START_S)


def complete_once_the_terminating_went(world: World) -> None:
    assert not world.job.status.finished
    world.remove_pod("T1")
    world.sync()
    assert world.job.status.is_true("Complete")


def two_more_after_the_back_off(world: World) -> None:
    world.settle()
    assert world.job.status.active == 1
    world.now += 10
    world.settle()
    assert world.job.status.active == 4


def raise_parallelism_while_backing_off(world: World) -> None:
    world.sync()
    assert world.job.status.failed == 1
    world.change_job(spec=replace(world.job.spec, parallelism=4))


def relabel(world: World) -> None:
    pod = world.pods["R1"]
    world.put_pod(replace(pod, metadata=replace(pod.metadata, labels={})))


SUSPEND_ROWS = [
    Row(
        65,
        "suspend, 2R",
        job(parallelism=2, completions=2, suspend=True, given=status()),
        "2R",
        deleted="R1 R2",
        released="R1 R2",
        status={"active": 0, "terminating": 2, "failed": 0, "start_time": None},
        conditions=("Suspended=JobSuspended",),
        notices=("SuccessfulDelete", "SuccessfulDelete", "Suspended"),
    ),
    Row(
        66,
        "suspend, 3R, a deletion unobserved: no action",
        job(parallelism=3, completions=3, suspend=True, given=status()),
        "3R",
        given=lambda world: world.lose_delete("R2"),
        status={"active": 3},
        conditions=(),
    ),
    Row(
        67,
        "suspend, C0: complete, not suspended",
        job(parallelism=1, completions=0, suspend=True),
        status={"start_time": None},
        conditions=(MET, COMPLETE),
    ),
    Row(
        68,
        "suspend, C4, 4S, started: complete, not suspended",
        job(parallelism=4, completions=4, suspend=True, given=status()),
        "4S",
        conditions=(MET, COMPLETE),
    ),
    Row(
        68,
        "suspend, C4, 4S, never started: only SuccessCriteriaMet is stored",
        job(parallelism=4, completions=4, suspend=True),
        "4S",
        conditions=(MET,),
        then=not_finished_without_a_start,
    ),
    Row(
        69,
        "suspend, deadline long passed: suspended, not failed",
        job(parallelism=1, completions=1, suspend=True, active_deadline_seconds=1, given=status()),
        conditions=("Suspended=JobSuspended",),
    ),
    Row(
        70,
        "suspend, 1R 1T (deleted by a user, PRP TerminatingOrFailed)",
        job(parallelism=2, completions=2, suspend=True, given=status()),
        "R T",
        deleted="R1",
        released="R1 T1",
        status={"failed": 1, "terminating": 2},
    ),
    Row(
        71,
        "suspend and the Job is being deleted, 2R: only finalizers come off",
        job(parallelism=2, completions=2, suspend=True, given=status()),
        "2R",
        given=lambda world: world.change_job(deleting=True),
        released="R1 R2",
        status={"active": 2},
        conditions=(),
    ),
    Row(
        72,
        "resume, 2T without finalizer, PRP Failed: none until they went",
        job(parallelism=2, completions=2, pod_replacement_policy="Failed", given=status(SUSPENDED, started=False)),
        "2T,nf",
        status={"active": 0, "start_time": at(START_S)},
        conditions=("not Suspended",),
        then=waits_for_the_replaced,
    ),
    Row(
        72,
        "resume, 2T without finalizer, PRP TerminatingOrFailed: two at once",
        job(parallelism=2, completions=2, given=status(SUSPENDED, started=False)),
        "2T,nf",
        created=2,
        status={"active": 2, "start_time": at(START_S)},
        conditions=("not Suspended",),
        notices=("SuccessfulCreate", "SuccessfulCreate", "Resumed"),
    ),
]


OTHER_ROWS = [
    Row(
        81,
        "the pod's labels no longer match: let go in one patch, replaced, no failure",
        job(parallelism=1, completions=1),
        "R",
        given=relabel,
        created=1,
        status={"failed": 0, "active": 1},
        writes="LETGO POST PUT",
    ),
    Row(
        84,
        "back-off pending, P2, 1R ready, 1F: active is 1",
        job(parallelism=2, completions=5),
        "R,ready F,new",
        status={"active": 1, "ready": 1, "failed": 1},
        wake_s=10,
    ),
    Row(
        85,
        "P raised 2 to 4 while back-off is pending",
        job(parallelism=2, completions=5),
        "R F,new",
        given=raise_parallelism_while_backing_off,
        then=two_more_after_the_back_off,
    ),
    Row(
        86,
        "work queue, 1S 1T with finalizer, PRP TerminatingOrFailed",
        job(parallelism=2),
        "S T",
        released="S1 T1",
        status={"failed": 1, "succeeded": 1},
        conditions=(MET,),
        then=complete_once_the_terminating_went,
    ),
    Row(
        86,
        "work queue, 1S 1T with finalizer, PRP Failed: T is not counted",
        job(parallelism=2, pod_replacement_policy="Failed"),
        "S T",
        released="S1 T1",
        status={"failed": 0, "succeeded": 1},
        conditions=(MET,),
        then=complete_once_the_terminating_went,
    ),
    Row(
        87,
        "NonIndexed C1, 2S",
        job(parallelism=1, completions=1),
        "2S",
        status={"succeeded": 2},
        conditions=(MET, COMPLETE),
        notices=("TooManySucceededPods", "Completed"),
    ),
]


ROWS = [*SUSPEND_ROWS, *OTHER_ROWS]

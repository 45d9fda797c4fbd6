"""Suspend and resume beyond the rows of `test_job_cases.py` (KEP-2232)."""

from msgspec.structs import replace
from tests.unit.job_case import done, order_of_writes
from tests.unit.job_performer import START_S, Performer, at
from tests.unit.job_world import job, pods_of, status_of_phase

from podledger.job import command as cmd
from podledger.job.outcome import Failed, Outcome


def begin(pods: str = "", **spec: object) -> Performer:
    """A Job of two, and pods."""
    world = Performer(job(restart="Never", given=None, parallelism=2, completions=2, **spec))
    world.observe_job()
    for pod in pods_of(pods).values():
        world.put_pod(pod)
    return world


def set_suspend(world: Performer, value: bool) -> None:
    """A user sets spec.suspend."""
    world.change_job(spec=replace(world.job.spec, suspend=value))


def test_a_job_created_suspended_never_started() -> None:
    world = begin(suspend=True)
    world.sync()
    now = world.job.status
    assert [(c.type, c.status, c.reason, c.message) for c in now.conditions] == [
        ("Suspended", "True", "JobSuspended", "Job suspended")
    ]
    assert (now.start_time, now.ready, now.terminating, now.active) == (None, 0, 0, 0)
    assert [notice.reason for notice in world.notices] == ["Suspended"]
    world.forget_calls()
    world.now += 60
    world.settle()
    assert order_of_writes(world) == ""


def test_a_suspension_that_no_sync_saw_leaves_no_trace() -> None:
    world = begin()
    world.settle()
    set_suspend(world, True)
    set_suspend(world, False)
    world.settle()
    assert world.job.status.conditions == ()
    assert world.job.status.start_time == at(START_S)


def test_resuming_starts_the_clock_anew_and_keeps_the_one_condition() -> None:
    world = begin(suspend=True)
    world.settle()
    world.now += 60
    set_suspend(world, False)
    world.sync()
    assert order_of_writes(world).endswith("POST*2 PUT")
    (condition,) = world.job.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Suspended", "False", "JobResumed")
    assert world.job.status.start_time == condition.last_transition_time == at(START_S + 60)


def test_resuming_does_not_cut_a_back_off_short() -> None:
    world = begin("F,new")
    world.settle()
    set_suspend(world, True)
    world.settle()
    set_suspend(world, False)
    world.sync()
    assert not done(world, cmd.CreatePod)
    assert world.wake_at == START_S + 10


def test_pods_that_ended_before_the_suspension_was_seen_are_counted() -> None:
    world = begin("S F", backoff_limit=9)
    set_suspend(world, True)
    world.settle()
    assert (world.job.status.succeeded, world.job.status.failed) == (1, 1)


def test_limits_still_fail_a_suspended_job_and_its_end_waits_for_a_start() -> None:
    world = begin("2F", backoff_limit=1, suspend=True)
    world.settle()
    assert [c.type for c in world.job.status.conditions] == ["FailureTarget"]
    set_suspend(world, False)
    world.settle()
    assert [c.type for c in world.job.status.conditions] == ["FailureTarget", "Failed"]


def test_a_delete_that_failed_does_not_keep_the_condition_back_and_is_made_again() -> None:
    world = begin("2R", suspend=True)

    def refuse(command: cmd.Command) -> Outcome | None:
        return (
            Failed(500, "InternalError", "no") if isinstance(command, cmd.DeletePod) and command.uid == "R1" else None
        )

    world.answers = refuse
    world.sync()
    assert world.job.status.is_true("Suspended")
    assert (world.job.status.active, world.job.status.terminating) == (1, 1)
    world.answers = lambda _command: None
    world.sync()
    assert (world.job.status.active, world.job.status.terminating, world.job.status.failed) == (0, 2, 0)


def test_a_suspended_pod_counts_as_nothing_however_it_ends() -> None:
    world = begin("2R", suspend=True)
    world.sync()
    world.set_status("R1", status_of_phase("Succeeded", world.now))
    world.set_status("R2", status_of_phase("Failed", world.now, code=143))
    world.settle()
    assert (world.job.status.succeeded, world.job.status.failed, world.job.status.terminating) == (0, 0, 0)

"""When a Job is looked at again though nothing happens, and calls whose answers were lost."""

import pytest
from msgspec.structs import replace
from tests.unit.job_case import done, order_of_writes
from tests.unit.job_performer import JOB_UID, START_S, Performer, at
from tests.unit.job_world import condition, job, pods_of, status, status_of_phase

from podledger.job import command as cmd
from podledger.job.limits import Limits
from podledger.job.outcome import Failed, Outcome, Unknown, observe_outcome


def begin(pods: str = "", **spec: object) -> Performer:
    """A Job with a deadline, and pods."""
    fields: dict[str, object] = {"parallelism": 1, "completions": 1, **spec}
    world = Performer(job(restart="Never", given=None, **fields))
    world.observe_job()
    for pod in pods_of(pods).values():
        world.put_pod(pod)
    return world


def test_every_sync_of_a_running_job_sets_the_deadlines_timer() -> None:
    world = begin(active_deadline_seconds=600)
    for _ in range(3):
        world.sync()
        assert world.wake_at == START_S + 600


def test_a_sync_with_two_status_writes_sets_it_too() -> None:
    world = begin("F", active_deadline_seconds=600, backoff_limit=9)
    world.sync()
    assert order_of_writes(world) == "POST PUT PATCH PUT"
    assert world.wake_at == START_S + 600


def test_a_suspended_job_has_no_deadline_and_a_resumed_one_a_new_one() -> None:
    world = begin(active_deadline_seconds=600, suspend=True)
    world.now += 5000
    world.sync()
    assert world.wake_at is None
    world.change_job(spec=replace(world.job.spec, suspend=False))
    world.sync()
    assert world.wake_at == world.now + 600


def test_a_deadline_that_passed_while_a_create_is_in_doubt_does_not_spin() -> None:
    world = begin(active_deadline_seconds=60)
    world.answers = lambda command: Unknown("timeout") if isinstance(command, cmd.CreatePod) else None
    world.sync()
    world.now += 100
    for _ in range(2):
        world.sync()
        assert world.wake_at == START_S + Limits().expire_s


def test_a_deadline_that_passes_while_a_sync_makes_its_calls_is_met_by_the_next() -> None:
    world = begin(active_deadline_seconds=1, suspend=True)
    world.sync()
    world.change_job(spec=replace(world.job.spec, suspend=False))

    def calls_take_long() -> None:
        world.now += 3

    world.between = calls_take_long
    world.sync()
    assert (world.job.status.active, world.wake_at) == (1, world.now)
    world.between = None
    world.sync()
    assert [c.reason for c in world.job.status.conditions] == ["JobResumed", "DeadlineExceeded"]


def test_a_deadline_of_zero_fails_the_first_sync() -> None:
    world = begin(active_deadline_seconds=0)
    world.sync()
    assert [c.reason for c in world.job.status.conditions] == ["DeadlineExceeded", "DeadlineExceeded"]
    assert not done(world, cmd.CreatePod)


def test_an_idle_sync_asks_for_nothing() -> None:
    world = begin("R")
    world.settle()
    assert (world.sync()[0].events, world.wake_at) == ((), None)


# ---- calls whose answers were lost ----------------------------------------------------------------------------------


def lose_first(world: Performer, kind: type[cmd.Command], *, applied: bool) -> None:
    """The answer to the first command of a kind is lost."""
    left = [True]

    def lose(command: cmd.Command) -> Outcome | None:
        if not isinstance(command, kind) or not left:
            return None
        left.clear()
        if applied:
            world.perform(command)
        return Unknown("timeout")

    world.answers = lose


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_create_is_made_again_under_its_own_intent(applied: bool) -> None:
    world = begin()
    lose_first(world, cmd.CreatePod, applied=applied)
    world.sync()
    assert (world.job.status.active, world.wake_at) == (0, START_S + Limits().resolve_s)
    world.sync()
    assert len([c for c in world.commands if isinstance(c, cmd.CreatePod)]) == 1
    world.now += Limits().resolve_s
    world.sync()
    intents = {c.intent for c in world.commands if isinstance(c, cmd.CreatePod)}
    assert (len(intents), len(world.pods), world.job.status.active) == (1, 1, 1)


@pytest.mark.parametrize("applied", [True, False])
def test_pods_that_a_call_in_doubt_held_up_follow_once_it_is_settled(applied: bool) -> None:
    world = begin("R", parallelism=2, completions=4)
    lose_first(world, cmd.CreatePod, applied=applied)
    world.sync()
    world.set_status("R1", status_of_phase("Succeeded", world.now))
    world.now += Limits().resolve_s
    world.sync()
    assert (world.job.status.active, world.wake_at) == (1, world.now), "nothing else would wake the Job"
    world.sync()
    assert world.job.status.active == 2
    assert world.sync()[0].events == ()
    assert world.wake_at is None


@pytest.mark.parametrize("applied", [True, False])
def test_a_work_queue_is_not_done_while_a_create_is_in_doubt(applied: bool) -> None:
    world = begin(completions=None, parallelism=2)
    lose_first(world, cmd.CreatePod, applied=applied)
    world.sync()
    unseen = list(world.pods)
    world.put_pod(pods_of("S")["S1"])
    world.settle()
    assert world.job.status.succeeded == 1
    assert not world.job.status.is_true("SuccessCriteriaMet")
    if applied:
        world.set_status(unseen[0], status_of_phase("Succeeded", world.now))
    else:
        world.now += Limits().expire_s
    world.settle()
    assert world.job.status.is_true("Complete")
    assert world.job.status.succeeded == 1 + applied
    assert len([c for c in world.commands if isinstance(c, cmd.CreatePod)]) == 2, "one lost, one skipped"


def test_a_name_taken_by_anothers_pod_means_a_new_intent_and_name() -> None:
    world = begin()
    taken = [True]

    def refuse(command: cmd.Command) -> Outcome | None:
        if isinstance(command, cmd.CreatePod) and taken:
            taken.clear()
            return Failed(409, "AlreadyExists", "taken")
        return None

    world.answers = refuse
    world.sync()
    world.sync()
    creates = [c for c in world.commands if isinstance(c, cmd.CreatePod)]
    assert len({c.intent for c in creates}) == len({c.pod.metadata.name for c in creates}) == 2


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_delete_is_repeated(applied: bool) -> None:
    world = begin("2R")
    lose_first(world, cmd.DeletePod, applied=applied)
    world.sync()
    assert world.job.status.active == 2
    world.now += Limits().resolve_s
    world.sync()
    assert (world.job.status.active, world.job.status.terminating, world.job.status.failed) == (1, 1, 0)


def test_a_lost_delete_that_is_seen_to_have_come_through_is_ours() -> None:
    world = begin("2R")
    lose_first(world, cmd.DeletePod, applied=True)
    world.sync()
    for pod in list(world.pods.values()):
        world.put_pod(pod)
    world.settle()
    assert (world.job.status.active, world.job.status.terminating, world.job.status.failed) == (1, 1, 0)


def test_a_lost_status_write_is_found_out_by_looking() -> None:
    world = begin("R")
    lose_first(world, cmd.PublishStatus, applied=True)
    world.sync()
    assert world.state.published.active == 0
    world.observe_job()
    assert world.state.published.active == 1
    world.forget_calls()
    world.settle()
    assert order_of_writes(world) == ""


def test_when_a_lost_call_was_made_is_kept() -> None:
    world = begin()
    command = cmd.PublishStatus(JOB_UID, world.job.key, "1", status(condition("Failed")))
    (event,) = observe_outcome(world.state, command, Unknown("timeout"), START_S)
    assert getattr(event, "at_s", 0) == START_S
    assert at(START_S).tzinfo is not None

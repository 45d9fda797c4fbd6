"""A finished Job counts nothing any more: late views, late creates, and a cluster restored from a backup."""

from msgspec.structs import replace
from tests.unit.job_case import done, order_of_writes, uids
from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import job, make_pod, pods_of, status_of_phase

from podledger.api.job import JobStatus, UncountedTerminatedPods
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.names import INTENT_ANNOTATION
from podledger.job.outcome import Failed, Outcome
from podledger.job.snapshot import decode_state, encode_state


def finished(**spec: object) -> Performer:
    """A Job of two pods that is Complete; `job` and `pods` are what they were just before it counted anything."""
    fields: dict[str, object] = {"parallelism": 2, "completions": 2, **spec}
    world = Performer(job(restart="Never", given=None, **fields))
    world.observe_job()
    world.sync()
    for uid in list(world.pods):
        world.set_status(uid, status_of_phase("Succeeded", world.now))
    before = (world.job, dict(world.pods))
    world.settle()
    assert world.job.status.is_true("Complete")
    assert (world.job.status.succeeded, world.state.done) == (2, {})
    world.forget_calls()
    world.events.clear()
    world.job, world.pods = before
    return world


def counts(world: Performer) -> list[ev.JobEvent]:
    """The judgements there were."""
    return [event for event in world.events if isinstance(event, ev.PodCounted)]


def test_a_late_view_of_a_counted_pod_is_no_second_count() -> None:
    world = finished()
    for pod in list(world.pods.values()):
        world.put_pod(pod)
    world.settle()
    assert counts(world) == []
    released = [event for event in world.events if isinstance(event, ev.ReleaseIntended)]
    assert [event.rule for event in released] == ["the Job is finished"] * 2
    assert order_of_writes(world) == "PATCH*2"
    assert (world.state.pods, world.state.done) == ({}, {})


def test_a_late_create_is_deleted_and_let_go_by_a_recorded_rule() -> None:
    world = finished()
    stray = make_pod("stray", status=status_of_phase("Running", 0))
    late = replace(stray, metadata=replace(stray.metadata, annotations={INTENT_ANNOTATION: "seed-9"}))
    world.put_pod(late)
    world.answers = throttled
    world.sync()
    world.answers = lambda _command: None
    world.settle()
    assert uids(done(world, cmd.DeletePod)) == {"stray"}
    intended = [event for event in world.events if isinstance(event, ev.DeleteIntended)]
    assert [(event.rule, event.release) for event in intended] == [("the Job is finished", True)] * 2
    assert world.pods["stray"].metadata.finalizers == ()
    assert counts(world) == []


def throttled(_command: cmd.Command) -> Outcome | None:
    """Not now."""
    return Failed(429, "TooManyRequests", "busy")


def restore(world: Performer, status: JobStatus) -> None:
    """The cluster is restored to when the Job had this status and its pods had ended and were held."""
    world.change_job(status=status)
    for pod in list(world.pods.values()):
        world.put_pod(pod)
    world.settle()


def test_after_a_restore_its_counts_and_its_outcome_are_published_again() -> None:
    for mode in ("NonIndexed", "Indexed"):
        world = finished(completion_mode=mode)
        restore(world, world.job.status)
        assert counts(world) == []
        assert world.job.status.is_true("Complete")
        assert world.job.status.succeeded == 2
        assert all(pod.metadata.finalizers == () for pod in world.pods.values())
        assert world.state.closed


def test_uids_that_the_restored_status_lists_are_in_the_counts_already() -> None:
    world = finished()
    listed = UncountedTerminatedPods(succeeded=(next(iter(world.pods)),))
    restore(world, replace(world.job.status, uncounted_terminated_pods=listed))
    assert not any(isinstance(event, ev.StatusImported | ev.UidSettled) for event in world.events)
    assert world.job.status.succeeded == 2
    assert world.job.status.uncounted_terminated_pods == UncountedTerminatedPods()


def test_pods_that_run_again_are_deleted_and_fail_nothing() -> None:
    world = finished(backoff_limit=0)
    world.pods = {uid: replace(pod, status=status_of_phase("Running", 0)) for uid, pod in world.pods.items()}
    restored = world.job.status
    restore(world, restored)
    for uid in list(world.pods):
        world.set_status(uid, status_of_phase("Failed", world.now))
    world.settle()
    assert len(done(world, cmd.DeletePod)) == 2
    assert world.job.status.is_true("Complete")
    assert (world.job.status.succeeded, world.job.status.failed) == (2, 0)


def test_pods_seen_before_their_restored_job_do_not_count_either() -> None:
    world = finished()
    for pod in list(world.pods.values()):
        world.put_pod(pod)
    world.change_job(status=world.job.status)
    world.settle()
    assert counts(world) == []
    assert world.job.status.succeeded == 2


def test_an_outcome_without_its_interim_condition_stands_too() -> None:
    world = finished()
    unfinished, final = world.job.status, world.state.published
    bare = tuple(each for each in final.conditions if each.type == "Complete")
    world.apply([ev.JobStatusSeen(JOB_UID, "900", replace(final, conditions=bare))])
    restore(world, unfinished)
    assert world.job.status.is_true("Complete")
    assert world.job.status.succeeded == 2


def test_an_outcome_that_a_restore_undid_is_published_again_however_often_that_fails() -> None:
    """What failed the Job, its pod's restarts, went with the pod: decided anew it would run on."""
    world = Performer(job(restart="OnFailure", given=None, completions=1, parallelism=1, backoff_limit=3))
    world.observe_job()
    world.put_pod(pods_of("a=R*3")["a"])
    before = world.job.status
    world.sync()
    assert world.job.status.is_true("FailureTarget")
    world.change_job(status=before)
    world.put_pod(pods_of("a=R")["a"])
    world.answers = throttled
    world.sync()
    world.change_job(status=replace(before, failed=world.state.failed + 1))
    world.state = decode_state(encode_state(world.state))
    world.answers = lambda _command: None
    world.settle()
    target = world.job.status.condition("FailureTarget")
    assert target is not None
    assert (target.status, target.reason) == ("True", "BackoffLimitExceeded")
    assert world.state.lost_outcome is None
    assert not done(world, cmd.CreatePod)


def test_a_pod_of_no_intent_is_let_go_and_lives() -> None:
    world = finished()
    world.put_pod(pods_of("R")["R1"])
    world.settle()
    assert order_of_writes(world) == "PATCH"

"""Pods that fail by the very delete that finishes their Job, before that sync counts: judged as when it began."""

from collections.abc import Callable

from msgspec.structs import replace
from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import fail_policy, job, make_pod, pods_of, status_of_phase

from podledger.api.job import Job, SuccessPolicy, SuccessPolicyRule
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.fold_restored import fold_restored
from podledger.job.outcome import Failed, Outcome
from podledger.job.snapshot import decode_state, encode_state

SUCCESS = SuccessPolicy(rules=(SuccessPolicyRule(succeeded_count=1),))


def finished(pods: str, **spec: object) -> Performer:
    """An Indexed Job of two that finishes in its first sync; the pods it deletes for that fail at once."""
    return synced(
        job(restart="Never", given=None, completions=2, parallelism=2, completion_mode="Indexed", **spec), pods
    )


def synced(new: Job, pods: str, *, refused: str = "") -> Performer:
    """A Job after its first sync; the pods that were deleted in it failed at once, one delete may have been refused."""
    world = Performer(new)
    world.observe_job()
    for pod in pods_of(pods).values():
        world.put_pod(pod)

    def fails_at_once(command: cmd.Command) -> Outcome | None:
        if not isinstance(command, cmd.DeletePod):
            return None
        if command.uid == refused:
            return Failed(500, "InternalError", "no")
        world.delete_pod(command.uid)
        world.set_status(command.uid, status_of_phase("Failed", world.now, code=143))
        return world.perform(command)

    world.answers = fails_at_once
    world.sync()
    return world


def judgements(world: Performer) -> dict[str, str]:
    return {event.pod: event.as_ for event in world.events if isinstance(event, ev.PodCounted)}


def test_a_pod_that_runs_when_the_job_succeeds_is_no_failure() -> None:
    world = finished("a=S@0 b=R@1", success_policy=SUCCESS)
    assert judgements(world) == {"a": "succeeded", "b": "none"}
    world.settle()
    status = world.job.status
    assert (status.succeeded, status.failed, status.is_true("Complete")) == (1, 0, True)


def test_a_pod_that_runs_when_the_job_fails_is_a_failure_but_not_of_its_index() -> None:
    world = finished("a=F@0 b=R@1", backoff_limit_per_index=0, max_failed_indexes=0)
    assert judgements(world) == {"a": "failed", "b": "failed"}
    world.settle()
    status = world.job.status
    assert (status.failed, status.failed_indexes, status.is_true("Failed")) == (2, "0", True)


def test_a_success_stands_though_the_pods_deleted_for_it_fail_as_a_failure_policy_forbids() -> None:
    world = finished("a=S@0 b=R@1", success_policy=SUCCESS, pod_failure_policy=fail_policy("FailJob", 143))
    assert judgements(world) == {"a": "succeeded", "b": "none"}
    world.settle()
    status = world.job.status
    assert (status.succeeded, status.failed, status.is_true("Complete")) == (1, 0, True)


def test_a_failure_policy_judges_the_pods_deleted_as_it_found_them() -> None:
    """One ran, of the other a container had ended already as the policy ignores; then both end so by their delete."""
    pods = pods_of("a=F!1 b=R")
    half = pods_of("c=F!143")["c"].status
    running = status_of_phase("Running", 0)
    sidecar = replace(half.container_statuses[0], name="half")
    half = replace(running, container_statuses=(*running.container_statuses, sidecar))
    world = Performer(
        job(given=None, completions=3, parallelism=3, backoff_limit=0, pod_failure_policy=fail_policy("Ignore", 143))
    )
    world.observe_job()
    for pod in (*pods.values(), make_pod("c", status=half)):
        world.put_pod(pod)

    def fails_at_once(command: cmd.Command) -> Outcome | None:
        if isinstance(command, cmd.DeletePod):
            world.set_status(command.uid, status_of_phase("Failed", world.now, code=143))
        return None

    world.answers = fails_at_once
    world.sync()
    assert judgements(world) == {"a": "failed", "b": "failed", "c": "ignored"}
    world.settle()
    assert (world.job.status.failed, world.job.status.is_true("Failed")) == (2, True)


def test_where_the_job_does_not_finish_after_all_a_pod_that_failed_by_its_delete_is_a_failure_like_any_other() -> None:
    """The restarts went with the first pod, the delete of the second was refused: replaced, after the back-off."""
    world = synced(
        job(restart="OnFailure", given=None, completions=2, parallelism=2, backoff_limit=3), "a=R*3 b=R", refused="b"
    )
    assert (judgements(world), world.state.finishing, world.state.tally.new_failed) == ({}, {}, 1)
    world.settle()
    assert judgements(world) == {"a": "failed"}
    assert not any(isinstance(command, cmd.CreatePod) for command in world.commands)
    assert world.wake_at == world.now + 10
    world.now += 10
    world.settle()
    assert (world.job.status.active, world.job.status.failed, world.job.status.conditions) == (2, 1, ())


def test_a_finish_that_is_broken_off_leaves_nothing_behind() -> None:
    """By a write that is refused, a spec that changes, a restore from a backup: pods are judged by what they are."""
    breaks: list[Callable[[Performer], None]] = [
        lambda world: world.apply([ev.CallFailed(JOB_UID, "publish", "", 409, "Conflict", "")]),
        lambda world: world.change_job(spec=replace(world.job.spec, backoff_limit=4)),
        lambda world: fold_restored(world.state),
    ]
    for break_off in breaks:
        world = Performer(job(restart="OnFailure", given=None, completions=1, parallelism=1, backoff_limit=3))
        world.observe_job()
        world.put_pod(pods_of("a=R*3")["a"])
        world.apply([ev.DeleteIntended(JOB_UID, "a", "BackoffLimitExceeded", False)])
        world.set_status("a", status_of_phase("Failed", world.now))
        assert world.state.tally.new_failed == 0
        break_off(world)
        state = world.state
        assert (state.finishing, state.finish_reason, state.tally.new_failed, state.aborted) == ({}, "", 1, True)


def test_restarts_that_fail_a_job_do_so_though_the_pod_that_had_them_is_gone_at_once() -> None:
    world = synced(job(restart="OnFailure", given=None, completions=1, parallelism=1, backoff_limit=3), "a=R*3")
    status = world.job.status
    target = status.condition("FailureTarget")
    assert target is not None
    assert (target.status, target.reason) == ("True", "BackoffLimitExceeded")
    assert judgements(world) == {"a": "failed"}
    world.settle()
    assert world.job.status.is_true("Failed")
    assert not any(isinstance(command, cmd.CreatePod) for command in world.commands)


def test_the_tally_is_what_it_would_be_made_anew() -> None:
    world = finished("a=S@0 b=R@1", success_policy=SUCCESS)
    stored = decode_state(encode_state(world.state))
    assert stored.uid == JOB_UID
    assert repr(stored.tally) == repr(world.state.tally)
    world.settle()
    assert repr(decode_state(encode_state(world.state)).tally) == repr(world.state.tally)

"""Pods that fail by the very delete that finishes their Job, before that sync counts: judged as when it began."""

from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import fail_policy, job, pods_of, status_of_phase

from podledger.api.job import Job, SuccessPolicy, SuccessPolicyRule
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.outcome import Outcome
from podledger.job.snapshot import decode_state, encode_state

SUCCESS = SuccessPolicy(rules=(SuccessPolicyRule(succeeded_count=1),))


def finished(pods: str, **spec: object) -> Performer:
    """An Indexed Job of two that finishes in its first sync; the pods it deletes for that fail at once."""
    return synced(
        job(restart="Never", given=None, completions=2, parallelism=2, completion_mode="Indexed", **spec), pods
    )


def synced(new: Job, pods: str) -> Performer:
    """A Job after its first sync; the pods that were deleted in it failed at once."""
    world = Performer(new)
    world.observe_job()
    for pod in pods_of(pods).values():
        world.put_pod(pod)

    def fails_at_once(command: cmd.Command) -> Outcome | None:
        if not isinstance(command, cmd.DeletePod):
            return None
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

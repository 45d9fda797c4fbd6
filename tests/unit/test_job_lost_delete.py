"""A delete that takes the finalizer off, uncounted, and whose answer is lost: how its pod ends counts for nothing."""

import pytest
from msgspec.structs import replace
from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import fail_policy, job, pods_of, status_of_phase

from podledger.event import EpochTaken
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.outcome import Failed, Outcome, Unknown
from podledger.projection import Projection


def begin(**spec: object) -> Performer:
    """A suspended Job with one pod, running."""
    fields: dict[str, object] = {"parallelism": 1, "completions": 1, "suspend": True, **spec}
    world = Performer(job(restart="Never", given=None, **fields))
    world.observe_job()
    world.put_pod(pods_of("p=R@0")["p"])
    return world


def refused_delete(command: cmd.Command) -> Outcome | None:
    """The delete was not applied, and that is known."""
    return Failed(403, "Forbidden", "no") if isinstance(command, cmd.DeletePod) else None


def lost_delete(command: cmd.Command) -> Outcome | None:
    """Whether the delete was applied is not known."""
    return Unknown("timeout") if isinstance(command, cmd.DeletePod) else None


def end(world: Performer, phase: str) -> None:
    """The pod ends though it is being deleted."""
    world.set_status("p", status_of_phase(phase, world.now, code=0 if phase == "Succeeded" else 42))


def judgements(world: Performer) -> list[tuple[str, str]]:
    """What pods were counted as, and by which rule."""
    return [(event.as_, event.rule) for event in world.events if isinstance(event, ev.PodCounted)]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize(
    "spec", [{}, {"completion_mode": "Indexed"}, {"pod_failure_policy": fail_policy("FailJob", 42)}]
)
def test_its_pod_counts_as_none_by_the_rule_of_the_delete(phase: str, spec: dict[str, object]) -> None:
    world = begin(**spec)
    world.answers = lost_delete
    world.sync()
    end(world, phase)
    world.settle()
    assert judgements(world) == [("none", "suspended")]
    status = world.job.status
    assert (status.succeeded, status.failed, status.completed_indexes or "") == (0, 0, "")
    assert world.pods["p"].metadata.finalizers == ()


def test_it_makes_room_for_another_once_the_job_is_resumed() -> None:
    world = begin(completion_mode="Indexed")
    world.answers = lost_delete
    world.sync()
    end(world, "Succeeded")
    world.change_job(spec=replace(world.job.spec, suspend=False))
    world.settle()
    assert world.job.status.active == 1


def test_a_failure_of_it_is_no_reason_to_wait() -> None:
    world = begin(backoff_limit=6)
    world.answers = lost_delete
    world.sync()
    end(world, "Failed")
    world.change_job(spec=replace(world.job.spec, suspend=False))
    world.sync()
    assert (world.job.status.active, world.job.status.failed) == (1, 0)


def test_it_counts_when_the_delete_is_known_to_have_failed() -> None:
    world = begin()
    world.answers = refused_delete
    world.sync()
    end(world, "Succeeded")
    world.settle()
    assert judgements(world) == [("succeeded", "succeeded")]


def test_a_later_refusal_says_nothing_of_the_call_in_doubt() -> None:
    world = begin()
    world.answers = lost_delete
    world.sync()
    world.answers = refused_delete
    world.now += world.limits.resolve_s
    world.sync()
    end(world, "Succeeded")
    world.settle()
    assert judgements(world) == [("none", "suspended")]


def test_a_controller_that_takes_over_is_in_doubt_too() -> None:
    world = begin()
    projection = Projection()
    intent = ev.DeleteIntended(JOB_UID, "p", "suspended", True)
    projection.apply_all([*world.events, intent])
    state = projection.states[JOB_UID]
    assert state.pods["p"].discarded == ""
    projection.apply(EpochTaken(2, "next", 0.0))
    assert (state.pods["p"].discarded, state.discarding) == ("suspended", {})

"""What a controller counts for its metrics, where it differs from what it decides: refused creates, stripped pods."""

from tests.unit.job_case import World
from tests.unit.job_performer import Performer
from tests.unit.job_world import fail_policy, job, pods_of

from podledger.job import command as cmd
from podledger.job.observation import observe_job, observe_pod
from podledger.job.outcome import Failed, Outcome
from podledger_adapters.cli.job_measures import JobMeasures


def measured(pods: str, **spec: object) -> tuple[World, JobMeasures]:
    """A Job and its pods, and what is counted of all events from now on."""
    world = Performer(job(restart="Never", given=None, **spec))
    measures = JobMeasures(lambda uid: world.state if uid == world.state.uid else None)
    world.observers.append(lambda event: measures.note([event]))
    world.apply(observe_job(None, world.job))
    for pod in pods_of(pods).values():
        world.pods[pod.metadata.uid] = pod
        world.apply(observe_pod(world.state, pod))
    return world, measures


def test_a_create_that_was_refused_is_one_that_failed() -> None:
    world, measures = measured("", parallelism=3, completions=3)

    def refuse(command: cmd.Command) -> Outcome | None:
        return Failed(403, "Forbidden", "exceeded quota") if isinstance(command, cmd.CreatePod) else None

    world.answers = refuse
    world.sync()
    assert measures.created == {("new", "failed"): 1}, "the others were not tried"
    world.answers = lambda _command: None
    world.sync()
    assert measures.created == {("new", "failed"): 1, ("new", "succeeded"): 3}


def test_an_ended_pod_without_the_finalizer_is_not_tracked() -> None:
    world, measures = measured("S,nf F a=S", parallelism=0, completions=5)
    assert measures.tracked == {"add": 2}
    world.settle()
    assert measures.tracked == {"add": 2, "delete": 2}
    assert measures.pods == {("NonIndexed", "succeeded"): 1, ("NonIndexed", "failed"): 1}


def test_a_failure_that_no_rule_matches_is_not_handled_by_the_policy() -> None:
    world, measures = measured("a=F!5 b=F!6", parallelism=0, completions=5, pod_failure_policy=fail_policy("Count", 5))
    world.settle()
    assert (measures.failures, measures.pods) == ({"Count": 1}, {("NonIndexed", "failed"): 2})

"""From objects to facts: every step missed in between, nothing twice, nothing that comes too late."""

import pytest
from msgspec.structs import replace
from tests.unit.job_performer import JOB_UID, START_S, Performer
from tests.unit.job_world import job, make_pod, pods_of, status, status_of_phase

from podledger.api.meta import ObjectMeta
from podledger.api.pod import PodCondition, PodStatus
from podledger.job import event as ev
from podledger.job.names import COMPLETION_INDEX, INDEX_FAILURE_COUNT
from podledger.job.observation import observe_job, observe_pod, observe_pod_gone
from podledger.job.snapshot import decode_state, encode_state


def begin(**spec: object) -> Performer:
    """A Job that was seen."""
    world = Performer(job(restart="Never", given=None, parallelism=1, completions=3, **spec))
    world.observe_job()
    return world


def kinds(events: list[ev.JobEvent]) -> list[str]:
    """What sort of facts."""
    return [type(event).__name__ for event in events]


def test_a_pod_first_seen_at_its_end_went_through_all_steps() -> None:
    world = begin()
    assert kinds(observe_pod(world.state, pods_of("S")["S1"])) == [
        "PodCreated", "PodScheduled", "PodStarted", "PodSucceeded",
    ]  # fmt: skip
    assert kinds(observe_pod(world.state, pods_of("T*2")["T1"])) == [
        "PodCreated", "PodScheduled", "PodStarted", "PodRestarted", "PodTerminating",
    ]  # fmt: skip


def test_a_pod_that_failed_without_having_run_was_not_started() -> None:
    evicted = make_pod("p", node=False, status=PodStatus(phase="Failed", reason="Evicted"))
    assert kinds(observe_pod(begin().state, evicted)) == ["PodCreated", "PodFailed"]


def test_a_phase_never_goes_back() -> None:
    world = begin()
    world.put_pod(pods_of("p=S")["p"])
    for phase in ("Pending", "Running", "Unknown", "Failed"):
        assert kinds(observe_pod(world.state, make_pod("p", status=status_of_phase(phase, START_S)))) == []


def test_another_spec_or_status_is_news_though_it_has_the_version_that_is_known() -> None:
    """As in a cluster that was restored from a backup, and went on, while nobody watched."""
    world = begin()
    suspended = replace(world.job, spec=replace(world.job.spec, suspend=True))
    assert kinds(observe_job(world.state, suspended)) == ["JobSpecChanged"]
    assert kinds(observe_job(world.state, replace(world.job, status=status(active=1)))) == ["JobStatusSeen"]
    assert observe_job(world.state, world.job) == []


def test_ready_restarts_and_conditions_are_facts_only_when_they_change() -> None:
    world = begin()
    world.put_pod(pods_of("p=R")["p"])
    target = PodCondition(type="DisruptionTarget", status="True")
    changed = status_of_phase("Running", START_S, restarts=1, ready=True)
    changed = replace(changed, conditions=(*changed.conditions, target))
    events = observe_pod(world.state, make_pod("p", status=changed))
    assert kinds(events) == ["PodRestarted", "PodReady", "PodConditionsChanged"]
    world.apply(events)
    assert observe_pod(world.state, make_pod("p", status=changed)) == []


@pytest.mark.parametrize(
    ("notes", "index", "failures"),
    [
        ({}, -1, 0),
        ({COMPLETION_INDEX: "2", INDEX_FAILURE_COUNT: "3"}, 2, 3),
        ({COMPLETION_INDEX: "-1", INDEX_FAILURE_COUNT: "-3"}, -1, 0),
        ({COMPLETION_INDEX: "two", INDEX_FAILURE_COUNT: "x"}, -1, 0),
        ({COMPLETION_INDEX: str(2**31), INDEX_FAILURE_COUNT: str(2**31)}, -1, 0),
    ],
)
def test_an_index_and_its_history_are_read_from_annotations(notes: dict[str, str], index: int, failures: int) -> None:
    pod = make_pod("p")
    pod = replace(pod, metadata=replace(pod.metadata, annotations=notes, labels={**pod.metadata.labels, **notes}))
    event = observe_pod(begin().state, pod)[0]
    assert isinstance(event, ev.PodCreated)
    assert (event.index, event.failure_count) == (index, failures)


def test_a_counted_pod_that_nothing_holds_is_forgotten_and_not_seen_again() -> None:
    world = begin()
    world.put_pod(pods_of("p=S")["p"])
    world.settle()
    assert world.state.pods.keys().isdisjoint({"p"})
    assert world.state.done == {"p": "succeeded"}
    assert observe_pod(world.state, world.pods["p"]) == []
    assert observe_pod_gone(world.state, "p") == []


def test_a_job_found_with_a_status_has_it_as_baseline() -> None:
    made = Performer(job(parallelism=1, completions=3, given=status(succeeded=2, failed=1, uncounted=(["a"], ["b"]))))
    assert kinds(observe_job(None, made.job)) == ["JobSet", "StatusImported"]
    made.observe_job()
    state = made.state
    assert (state.succeeded, state.failed, list(state.uncounted_succeeded), list(state.uncounted_failed)) == (
        2, 1, ["a"], ["b"],
    )  # fmt: skip


def test_a_status_without_news_is_seen_and_one_with_news_imported() -> None:
    world = begin()
    world.settle()
    plain = replace(world.job.status, active=0)
    for status_, kind in ((plain, "JobStatusSeen"), (replace(plain, failed=1), "StatusImported")):
        meta = replace(world.job.metadata, resource_version=str(int(world.job.metadata.resource_version) + 1))
        assert kinds(observe_job(world.state, replace(world.job, metadata=meta, status=status_))) == [kind]


def test_a_spec_that_only_moved_its_resource_version_is_an_update() -> None:
    world = begin()
    meta = replace(world.job.metadata, resource_version="900", labels={"new": "label"})
    assert observe_job(world.state, replace(world.job, metadata=meta)) == [ev.JobUpdated(JOB_UID, "900")]


def test_another_spec_of_the_same_generation_is_a_change() -> None:
    world = Performer(job(parallelism=1))
    world.observe_job()
    meta = replace(world.job.metadata, resource_version="900")
    other = replace(world.job, metadata=meta, spec=replace(world.job.spec, parallelism=2))
    assert [type(event) for event in observe_job(world.state, other)] == [ev.JobSpecChanged]


def test_a_job_that_was_gone_and_is_there_again_is_taken_up_again() -> None:
    """A cluster restored from a backup brings Jobs back under their old uids."""
    world = begin()
    world.change_job(deleting=True)
    world.remove_job()
    meta: ObjectMeta = replace(world.job.metadata, resource_version="900", deletion_timestamp=None)
    world.job = replace(world.job, metadata=meta)
    world.observe_job()
    assert (world.state.gone, world.state.deleting) == (False, False)
    world.sync()
    assert world.job.status.active == 1


def test_a_state_survives_being_stored() -> None:
    world = begin(active_deadline_seconds=60)
    for pod in pods_of("R,ready F,new S T").values():
        world.put_pod(pod)
    world.sync()
    again = decode_state(encode_state(world.state))
    assert encode_state(again) == encode_state(world.state)
    assert again.spec == world.state.spec
    assert repr(again.tally) == repr(world.state.tally)

"""What answers to calls amount to: events, and the Kubernetes Events that tell users."""

import pytest
from tests.unit.job_performer import JOB_UID, START_S, Performer
from tests.unit.job_world import job, make_pod, pods_of

from podledger.api.job import JobKey, JobStatus
from podledger.job import command as cmd
from podledger.job import event as ev
from podledger.job.notice import notices_of
from podledger.job.outcome import Created, Done, Failed, Outcome, Skipped, Unknown, observe_outcome

KEY = JobKey("default", "job")
POD = make_pod("p", node=False)
CREATE = cmd.CreatePod(JOB_UID, "intent-1", POD)
DELETE = cmd.DeletePod(JOB_UID, "default", "p", "p", True)
RELEASE = cmd.ReleasePod(JOB_UID, "default", "p", "p")
ADOPT = cmd.AdoptPod(JOB_UID, KEY, "p", "p")
LET_GO = cmd.LetGoPod(JOB_UID, "default", "p", "p")
PUBLISH = cmd.PublishStatus(JOB_UID, KEY, "1", JobStatus())
REFUSED = Failed(403, "Forbidden", "no")
LOST = Unknown("timeout")


def begin() -> Performer:
    """A Job that was seen."""
    world = Performer(job(parallelism=1, completions=1))
    world.observe_job()
    return world


def lost(call: str, subject: str) -> ev.CallFailed:
    """A call whose answer was lost."""
    return ev.CallFailed(JOB_UID, call, subject, 0, "Unknown", "timeout", True, START_S)


@pytest.mark.parametrize(
    ("command", "outcome", "event"),
    [
        (DELETE, Done("5"), ev.DeleteAccepted(JOB_UID, "p", True)),
        (RELEASE, Done("5"), ev.PodReleased(JOB_UID, "p")),
        (ADOPT, Done("5"), ev.PodAdopted(JOB_UID, "p", "5")),
        (LET_GO, Done("5"), ev.PodLetGo(JOB_UID, "p")),
        (PUBLISH, Done("5"), ev.StatusPublished(JOB_UID, "5")),
        (CREATE, REFUSED, ev.CallFailed(JOB_UID, "create", "intent-1", 403, "Forbidden", "no")),
        (DELETE, REFUSED, ev.CallFailed(JOB_UID, "delete", "p", 403, "Forbidden", "no")),
        (RELEASE, REFUSED, ev.CallFailed(JOB_UID, "release", "p", 403, "Forbidden", "no")),
        (ADOPT, REFUSED, ev.CallFailed(JOB_UID, "adopt", "p", 403, "Forbidden", "no")),
        (LET_GO, REFUSED, ev.CallFailed(JOB_UID, "let-go", "p", 403, "Forbidden", "no")),
        (PUBLISH, REFUSED, ev.CallFailed(JOB_UID, "publish", "", 403, "Forbidden", "no")),
        (CREATE, LOST, lost("create", "intent-1")),
        (DELETE, LOST, lost("delete", "p")),
        (PUBLISH, LOST, lost("publish", "")),
        (
            CREATE,
            Skipped(),
            ev.CallFailed(
                JOB_UID, "create", "intent-1", 0, "Skipped", "not tried, since a call before it failed", at_s=0
            ),
        ),
    ],
)
def test_every_answer_leaves_its_event(command: cmd.Command, outcome: Outcome, event: ev.JobEvent) -> None:
    assert observe_outcome(begin().state, command, outcome, START_S) == [event]


@pytest.mark.parametrize("refusal", [REFUSED, Failed(429, "TooManyRequests", "busy"), Skipped()])
def test_a_refused_repeat_says_nothing_of_the_create_whose_answer_was_lost(refusal: Outcome) -> None:
    world = begin()
    intent = ev.CreateIntended(JOB_UID, 0, "intent-1", "p", -1, 0, 0, "missing")
    world.apply([intent])
    world.apply(observe_outcome(world.state, CREATE, LOST, START_S))
    world.apply(observe_outcome(world.state, CREATE, refusal, START_S + 6))
    assert (list(world.state.creating), world.state.unresolved) == (["intent-1"], {"intent-1": START_S})
    world.apply(observe_outcome(world.state, CREATE, refusal, START_S + 300))
    assert (list(world.state.creating), world.state.unresolved) == ([], {}), "after so long it will not show any more"


def test_that_the_name_is_another_pods_settles_the_doubt_and_a_restart_begins_it_anew() -> None:
    world = begin()
    world.apply([ev.CreateIntended(JOB_UID, 0, "intent-1", "p", -1, 0, 0, "missing")])
    world.state.unresolved["intent-1"] = 0  # as a new holder of the log finds it
    world.apply(observe_outcome(world.state, CREATE, REFUSED, START_S))
    assert world.state.unresolved == {"intent-1": START_S}
    world.apply(observe_outcome(world.state, CREATE, Failed(409, "AlreadyExists", "p"), START_S + 1))
    assert (list(world.state.creating), world.state.unresolved) == ([], {})


def test_a_created_pod_is_seen_as_if_the_watch_had_shown_it() -> None:
    (event,) = observe_outcome(begin().state, CREATE, Created(POD), START_S)
    assert isinstance(event, ev.PodCreated)
    assert (event.pod, event.owned, event.finalizer) == ("p", True, True)


def test_a_recorded_event_leaves_none_and_a_create_cannot_be_merely_done() -> None:
    state = begin().state
    record = cmd.RecordEvent(JOB_UID, KEY, "Normal", "Completed", "Job completed")
    assert observe_outcome(state, record, Unknown("timeout"), START_S) == []
    with pytest.raises(TypeError, match="answer with Created or Failed"):
        observe_outcome(state, CREATE, Done("5"), START_S)


@pytest.mark.parametrize(
    ("command", "outcome", "said"),
    [
        (CREATE, Created(POD), ("Normal", "SuccessfulCreate", "Created pod: p")),
        (CREATE, REFUSED, ("Warning", "FailedCreate", "Error creating: no")),
        (CREATE, Failed(403, "NamespaceTerminating", "no"), None),
        (CREATE, Skipped(), None),
        (DELETE, Done(), ("Normal", "SuccessfulDelete", "Deleted pod: p")),
        (DELETE, REFUSED, ("Warning", "FailedDelete", "Error deleting: no")),
        (RELEASE, REFUSED, None),
        (ADOPT, Done(), None),
        (LET_GO, Done(), None),
        (PUBLISH, REFUSED, None),
        (PUBLISH, Done(), None),
    ],
)
def test_users_are_told_in_kubernetes_words(
    command: cmd.Command, outcome: Outcome, said: tuple[str, str, str] | None
) -> None:
    told = [(each.type, each.reason, each.message) for each in notices_of(begin().state, command, outcome)]
    assert told == ([] if said is None else [said])


def told(world: Performer) -> list[tuple[str, str, str]]:
    """What users were told."""
    return [(notice.type, notice.reason, notice.message) for notice in world.notices]


def test_the_end_is_told_after_the_status_that_brings_it() -> None:
    world = begin()
    world.put_pod(pods_of("S")["S1"])
    world.sync()
    assert told(world) == [("Normal", "Completed", "Job completed")]


def test_a_failed_end_is_told_with_its_reason_and_message() -> None:
    world = Performer(job(parallelism=1, completions=1, active_deadline_seconds=0))
    world.observe_job()
    world.sync()
    assert told(world) == [("Warning", "DeadlineExceeded", "Job was active longer than specified deadline")]


def test_the_end_is_not_told_when_its_status_was_refused() -> None:
    world = begin()
    world.put_pod(pods_of("S")["S1"])
    world.answers = lambda command: REFUSED if isinstance(command, cmd.PublishStatus) else None
    world.sync()
    assert told(world) == []


def test_an_unknown_completion_mode_is_told_at_every_sync_and_nothing_else_happens() -> None:
    world = Performer(job(parallelism=1, completions=1, completion_mode="Spread"))
    world.observe_job()
    for _ in range(2):
        world.sync()
    text = "Skipped Job sync because completion mode is unknown"
    assert told(world) == [("Warning", "UnknownCompletionMode", text)] * 2
    assert {type(command) for command in world.commands} == {cmd.RecordEvent}

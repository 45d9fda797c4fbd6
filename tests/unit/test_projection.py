"""The fold of a whole stream: events find their Job, Jobs that are over leave nothing, a new holder asks again."""

import msgspec
import pytest
from tests.unit.controller_world import make_job

from podledger.api.cronjob import CronJobSpec, CronJobStatus
from podledger.cron.event import CronJobDeleting, CronJobSet
from podledger.errors import DamagedLog
from podledger.event import ClusterRewound, EpochTaken, Event, ListGap, StreamStarted
from podledger.job import event as ev
from podledger.projection import Projection, decode_projection, encode_projection


def job_set(uid: str, name: str, version: str = "1", *, manual: bool = False) -> ev.JobSet:
    """The first event of a Job."""
    return ev.JobSet(uid, "default", name, version, 1, 1, make_job(name, manual_selector=manual or None).spec)


def made(*events: Event) -> Projection:
    """A projection of these events."""
    projection = Projection()
    projection.apply(StreamStarted("seed"))
    projection.apply_all(events)
    return projection


def test_events_find_their_job_and_the_position_counts_them_all() -> None:
    projection = made(job_set("a", "x"), job_set("b", "y"), ev.PodCreated("b", "p", "p", "9", 1))
    projection.apply(ListGap("Pod", 1.0))
    assert (projection.position, projection.revision) == (5, 9)
    assert repr(projection) == "<Projection at 5: 2 jobs, 1 pods>"
    assert projection.find(make_job("y").key) is projection.states["b"]
    assert [state.seed for state in projection] == ["seed", "seed"]


def test_an_event_of_a_job_that_was_never_set_shows_a_damaged_log() -> None:
    with pytest.raises(DamagedLog, match="event 2 is about a Job that no event before it set: PodGone") as caught:
        made(ev.PodGone("nobody", "p"))
    assert caught.value.position == 2


def test_a_job_that_is_gone_stays_until_its_last_pod_is() -> None:
    projection = made(job_set("a", "x", manual=True), ev.PodCreated("a", "p", "p", "9", 1), ev.JobGone("a"))
    assert projection.manual_selectors("default") == [projection.states["a"]]
    projection.apply(ev.PodGone("a", "p"))
    assert projection.states == {}
    assert projection.find(make_job("x").key) is None
    assert projection.manual_selectors("default") == []


def test_a_name_used_again_belongs_to_the_new_job_and_stays_so_when_the_old_one_is_dropped() -> None:
    projection = made(
        job_set("old", "x"), ev.PodCreated("old", "p", "p", "9", 1), ev.JobGone("old"), job_set("new", "x")
    )
    key = make_job("x").key
    assert projection.find(key) is projection.states["new"]
    again = decode_projection(encode_projection(projection))
    for each in (projection, again):
        each.apply(ev.PodGone("old", "p"))
        assert each.find(key) is each.states["new"]
        assert list(each.states) == ["new"]


def test_a_new_epoch_makes_calls_under_way_questions() -> None:
    intent = ev.CreateIntended("a", 0, "i-0", "x-abcde", -1, 0, 0, "missing")
    decided = ev.SyncDecided("a", True, 4, 1.0, 2, 0, 0, 0, 0, 0)
    status = ev.StatusIntended("a", "1", make_job().status)
    projection = made(job_set("a", "x"), decided, intent, status)
    state = projection.states["a"]
    assert (state.step, list(state.creating), state.unresolved) == (4, ["i-0"], {})
    projection.apply(EpochTaken(2, "other", 1.0))
    assert (state.step, state.intended, state.unresolved) == (0, None, {"i-0": 0})
    projection.apply(ev.PodCreated("a", "p", "x-abcde", "5", 1, "i-0"))
    assert (state.creating, state.unresolved) == ({}, {})


def test_a_restored_cluster_makes_versions_start_anew() -> None:
    projection = made(job_set("a", "x", "90"), ev.PodCreated("a", "p", "p", "95", 1))
    projection.apply(ClusterRewound("Job", "95", "40", 1.0))
    state = projection.states["a"]
    assert (projection.revision, state.resource_version, state.pods["p"].resource_version) == (40, "0", 0)
    projection.apply(ev.JobUpdated("a", "41"))
    assert projection.revision == 41


def test_after_a_restore_a_cronjob_that_was_being_deleted_may_live_on() -> None:
    cronjob = CronJobSet("c", "default", "c", "7", 1, 1, CronJobSpec(schedule="@daily"), CronJobStatus())
    projection = made(cronjob, CronJobDeleting("c", "9", 5))
    state = projection.crons.get("c")
    assert state is not None
    assert state.deleting
    projection.apply(ClusterRewound("CronJob", "9", "8", 1.0))
    assert (state.deleting, state.resource_version) == (False, "0")


def test_after_a_restore_counts_and_ends_stand_and_all_else_is_to_be_seen_again() -> None:
    pods = [ev.PodCreated("a", uid, uid, "95", 1) for uid in ("ended", "ending", "let-go", "counted")]
    projection = made(
        job_set("a", "x", "90"),
        *pods,
        ev.PodSucceeded("a", "ended", 5),
        ev.PodTerminating("a", "ending", 5, 5),
        ev.DeleteAccepted("a", "let-go", released=True),
        ev.PodTerminating("a", "counted", 5, 5),
        ev.PodCounted("a", "counted", "failed", "deleted while running"),
        ev.PodReleased("a", "counted"),
        ClusterRewound("Job", "95", "40", 1.0),
    )
    state = projection.states["a"]
    assert list(state.pods) == ["ended", "ending"]
    assert state.done == {"counted": "failed"}
    assert (state.failed, state.tally.active, state.tally.terminating, state.tally.new_succeeded) == (1, 1, 0, 1)


def test_the_stored_form_holds_everything() -> None:
    projection = made(
        job_set("a", "x", manual=True), ev.PodCreated("a", "p", "p", "9", 1), ev.JobMissing("m", "default", "lost")
    )
    projection.apply(EpochTaken(3, "h", 1.0))
    stored = encode_projection(projection)
    again = decode_projection(stored)
    assert encode_projection(again) == stored
    assert (again.seed, again.position, again.epoch, again.revision) == ("seed", 5, 3, 9)
    assert again.find(make_job("x").key) is again.states["a"]
    assert again.find(make_job("lost").key) is None, "a Job known by its pods only has no name of its own"
    assert [state.uid for state in again.manual_selectors("default")] == ["a"]


@pytest.mark.parametrize("body", [b"", b"\x96\x63\xa0\x00\x00\x00\x90", b"\xc0"])
def test_what_is_no_snapshot_of_this_version_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_projection(body)

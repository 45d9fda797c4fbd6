"""From changes to events: repeats, stale lists, restored clusters."""

import pytest
from msgspec.structs import replace
from tests.unit.reflector_world import NOW, Watching, gone, job, kinds, listed, pod, synced

from podledger.api.job import JobStatus
from podledger.event import ClusterRewound
from podledger.job import event as ev
from podledger.ports import Bookmark, ListBegan, ListEnded, Seen

# ---- repeats and versions -----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_nothing_is_decided_before_both_kinds_are_listed() -> None:
    watching = await Watching.begin(*listed("Pod", 10, pod("p", 5, "j")))
    assert (watching.reflector.synced, watching.seen) == (False, 0)
    assert kinds(watching.see(*listed("Job", 10, job("j", 3)))) == ["JobSet", "PodCreated"]
    assert watching.reflector.synced
    assert watching.reflector.take_touched() == {"j": True}
    assert watching.reflector.take_touched() == {}


@pytest.mark.asyncio
async def test_repeats_and_older_states_change_nothing() -> None:
    watching = await synced(Seen(pod("p", 11, "j", phase="Running")), gone("Pod", "q", 12))
    assert watching.see(Seen(pod("p", 11, "j", phase="Running")), Seen(pod("p", 5, "j"))) == []
    assert watching.see(Seen(pod("q", 6, "j")), gone("Pod", "q", 12)) == []
    assert watching.pods_of("j") == ["p"]
    assert kinds(watching.see(Bookmark("Pod", "20"), Seen(pod("p", 15, "j", phase="Succeeded")))) == []


@pytest.mark.asyncio
async def test_kinds_and_namespaces_have_versions_of_their_own() -> None:
    watching = await synced(Seen(pod("p", 90, "j", phase="Running")))
    assert kinds(watching.see(Seen(job("k", 50)))) == ["JobSet"], "Jobs may lag behind their pods"
    other = pod("o", 60, "j2")
    elsewhere = replace(other, metadata=replace(other.metadata, namespace="other"))
    moved = job("j2", 55)
    moved = replace(moved, metadata=replace(moved.metadata, namespace="other"))
    assert kinds(watching.see(Seen(moved), Seen(elsewhere))) == ["JobSet", "PodCreated"]


@pytest.mark.asyncio
async def test_states_from_before_our_own_write_are_not_believed() -> None:
    watching = await synced(Seen(pod("p", 11, "j", phase="Succeeded")))
    journal, state = watching.journal, watching.journal.projection.states["j"]
    journal.add([ev.PodCounted("j", "p", "succeeded", "succeeded"), ev.PodReleased("j", "p")])
    watching.reflector.wrote_pod("default", "p", "14")
    watching.see()
    assert state.done == {"p": "succeeded"}
    assert watching.see(Seen(pod("p", 13, "j", phase="Succeeded"))) == [], "it still shows the finalizer"
    assert watching.see(Seen(pod("p", 14, "j", phase="Succeeded", held=False))) == []
    assert "0 ahead" in repr(watching.reflector)


@pytest.mark.asyncio
async def test_own_writes_that_the_watch_has_shown_already_are_not_remembered() -> None:
    watching = await synced(Seen(pod("p", 14, "j")))
    watching.reflector.wrote_pod("default", "p", "14")
    watching.reflector.wrote_pod("default", "p", "")
    assert "0 ahead" in repr(watching.reflector)


# ---- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_what_a_new_list_does_not_show_is_gone_and_the_gap_is_recorded() -> None:
    watching = await synced()
    assert kinds(watching.see(*listed("Pod", 20, pod("q", 6, "j")))) == ["ListGap", "PodGone"]
    assert kinds(watching.see(*listed("Job", 21))) == ["ListGap", "JobGone"]
    assert watching.reflector.take_touched() == {"j": True}


@pytest.mark.asyncio
async def test_a_list_made_before_our_own_write_is_no_restored_cluster_and_drops_nothing_we_made() -> None:
    watching = await synced()
    state = watching.journal.projection.states["j"]
    made = pod("made", 25, "j")
    watching.journal.add([ev.PodCreated("j", "made", "made", "25", 1)])
    watching.reflector.created(state, made)
    watching.journal.add([ev.StatusIntended("j", "3", JobStatus(active=2)), ev.StatusPublished("j", "26")])
    watching.see()
    assert kinds(watching.see(*listed("Pod", 20, pod("p", 5, "j"), pod("q", 6, "j")))) == ["ListGap"]
    assert kinds(watching.see(*listed("Job", 20, job("j", 3)))) == ["ListGap"]
    assert watching.pods_of("j") == ["p", "q", "made"]
    assert watching.see(Seen(made)) == []


@pytest.mark.asyncio
async def test_a_consistent_list_below_what_was_shown_means_the_cluster_was_restored() -> None:
    watching = await synced(Seen(pod("p", 90, "j", phase="Running")))
    watching.reflector.take_touched()
    begun = watching.reflector.incarnation
    backup = listed("Pod", 40, pod("q", 6, "j"))
    assert watching.see(*backup) == [ClusterRewound("Pod", "90", "40", 1.0)]
    assert not watching.reflector.synced, "of no kind does what was seen stand"
    assert kinds(watching.see(*backup)) == ["PodGone"], "it is told once"
    assert not watching.reflector.synced
    assert watching.reflector.take_touched() == {"j": False}
    assert kinds(watching.see(*listed("Job", 41, job("j", 2)))) == ["JobUpdated"]
    assert watching.reflector.synced
    assert not watching.reflector.is_current(begun)
    assert watching.reflector.take_touched() == {"j": True}, "what was broken off is taken up again"
    assert kinds(watching.see(Seen(pod("q", 42, "j", phase="Running")))) == ["PodStarted"], "and versions count anew"


@pytest.mark.asyncio
async def test_what_comes_behind_the_list_of_a_restored_cluster_is_passed_over_as_are_lists_that_were_begun() -> None:
    watching = await synced(Seen(pod("p", 90, "j", phase="Running")), ListBegan("Job"), Seen(job("j", 91)))
    events = watching.see(*listed("Pod", 40), Seen(pod("p", 92, "j", phase="Succeeded")), ListEnded("Job", "95"))
    assert kinds(events) == ["ClusterRewound"]
    assert watching.see(ListEnded("Job", "95")) == [], "the rest of a list of before the restore"
    assert not watching.reflector.synced


@pytest.mark.asyncio
async def test_a_pod_whose_job_the_backup_may_bring_back_is_not_freed_before_the_jobs_are_listed() -> None:
    watching = await synced(gone("Job", "j", 11), Seen(pod("r", 12, "k")))
    backup = listed("Pod", 8, pod("x", 5, "k", deleting=True))
    assert kinds(watching.see(*backup, *backup)) == ["ClusterRewound"]
    assert "JobMissing" not in kinds(watching.see(*backup))
    assert kinds(watching.see(*listed("Job", 8, job("k", 3))))[:2] == ["JobSet", "PodCreated"]


@pytest.mark.asyncio
async def test_a_restart_knows_from_the_log_that_the_cluster_was_restored() -> None:
    watching = await synced(Seen(pod("r", 90, "j")))
    again = await Watching.begin(log=watching.log)
    again.seen = watching.seen
    lists = [*listed("Job", 40, job("j", 3)), *listed("Pod", 40, pod("p", 5, "j"))]
    assert kinds(again.see(*lists)) == ["ClusterRewound"]
    assert kinds(again.see(*lists)) == ["JobUpdated", "PodGone", "PodGone"]


@pytest.mark.asyncio
async def test_a_list_that_shows_what_was_undone_means_so_too_whatever_its_version() -> None:
    watching = await synced(Seen(job("j", 20)))
    backup = listed("Job", 1000, job("j", 3, suspend=True))
    assert watching.see(*backup) == [ClusterRewound("Job", "20", "1000", 1.0)]
    assert kinds(watching.see(*backup)) == ["JobSpecChanged"], "though the generation is the same"
    pods = [pod("p", 15, "j"), pod("q", 6, "j")]
    watching.see(*listed("Pod", 1001, *pods))
    watching.reflector.wrote_pod("default", "p", "1020")
    assert kinds(watching.see(*listed("Pod", 1019, *pods))) == ["ListGap"]
    assert watching.see(*listed("Pod", 1021, *pods)) == [ClusterRewound("Pod", "1020", "1021", 1.0)]


@pytest.mark.asyncio
async def test_a_cached_list_tells_nothing_of_a_restore() -> None:
    watching = await synced(Seen(job("j", 20)))
    assert kinds(watching.see(*listed("Job", 1000, job("j", 3), consistent=False))) == ["ListGap"]


@pytest.mark.asyncio
async def test_a_deleted_job_that_a_backup_brings_back_lives_again() -> None:
    watching = await synced(gone("Job", "j", 11))
    assert watching.journal.projection.states["j"].gone
    backup = listed("Job", 5, job("j", 3))
    assert kinds(watching.see(*backup)) == ["ClusterRewound"]
    assert kinds(watching.see(*backup)) == ["JobSet"]
    assert not watching.journal.projection.states["j"].gone


@pytest.mark.asyncio
@pytest.mark.parametrize("deleted", [False, True], ids=["from before its deletion", "from after it"])
async def test_a_job_that_was_being_deleted_is_so_in_a_backup_only_if_the_backup_says_so(deleted: bool) -> None:
    here = job("j", 3)
    deleting = replace(here, metadata=replace(here.metadata, resource_version="20", deletion_timestamp=NOW))
    watching = await synced(Seen(deleting))
    assert watching.journal.projection.states["j"].deleting
    backup = listed("Job", 12, replace(deleting, metadata=replace(deleting.metadata, resource_version="9")))
    if not deleted:
        backup = listed("Job", 12, here)
    watching.see(*backup)
    assert kinds(watching.see(*backup)) == (["JobUpdated", "JobDeleting"] if deleted else ["JobUpdated"])
    assert watching.journal.projection.states["j"].deleting == deleted


@pytest.mark.asyncio
async def test_a_stale_list_is_waited_out_until_the_replica_has_caught_up() -> None:
    watching = await synced(Seen(pod("p", 15, "j", phase="Running")), gone("Pod", "q", 16))
    stale = listed("Pod", 12, pod("p", 5, "j"), pod("q", 6, "j"), consistent=False)
    assert watching.see(*stale) == []
    assert watching.see(Seen(pod("p", 15, "j", phase="Running"))) == []
    assert watching.pods_of("j") == ["p"]
    assert kinds(watching.see(gone("Pod", "q", 16), Seen(pod("p", 17, "j", phase="Succeeded")))) == [
        "ListGap", "PodSucceeded",
    ]  # fmt: skip
    assert watching.pods_of("j") == ["p"]


@pytest.mark.asyncio
async def test_a_first_list_from_the_past_is_no_start() -> None:
    log = (await synced(Seen(pod("r", 30, "j")))).log
    again = await Watching.begin(log=log)
    again.see(*listed("Job", 31, job("j", 3)), *listed("Pod", 8, pod("q", 6, "j"), consistent=False))
    again.see(Bookmark("Pod", "29"))
    assert not again.reflector.synced
    assert again.pods_of("j") == ["p", "q", "r"], "not believed yet"
    again.see(Seen(pod("r", 30, "j")))
    assert again.reflector.synced
    assert again.pods_of("j") == ["q", "r"]

"""From changes to events: repeats, stale lists, restored clusters, and which Job a pod belongs to."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from tests.unit.controller_world import events_of, make_job

from podledger import Job, MemoryLog, VirtualClock
from podledger.api.job import JobStatus, LabelSelector
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.event import ClusterRewound, EpochTaken, Event, StreamStarted
from podledger.job import event as ev
from podledger.job.names import FINALIZER, JOB_CONTROLLER, PODLEDGER_CONTROLLER
from podledger.journal import Journal, open_journal
from podledger.ports import Bookmark, Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger.reflector import Reflector

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MANUAL = LabelSelector(match_labels={"app": "x"})


def job(uid: str, version: int, name: str = "", **spec: object) -> Job:
    """A Job as a cluster shows it."""
    made = make_job(name or uid, **spec)
    meta = replace(made.metadata, uid=uid, resource_version=str(version), generation=1, creation_timestamp=NOW)
    return replace(made, metadata=meta)


def pod(
    uid: str, version: int, owner: str = "", *, held: bool = True, deleting: bool = False, phase: str = "Pending",
    labels: dict[str, str] | None = None, kind: str = "Job",
) -> Pod:  # fmt: skip
    """A pod as a cluster shows it; `owner` is a Job's uid."""
    owners = (OwnerReference("batch/v1" if kind == "Job" else "apps/v1", kind, owner, owner, True, True),)
    meta = ObjectMeta(
        name=uid,
        namespace="default",
        uid=uid,
        resource_version=str(version),
        creation_timestamp=NOW,
        deletion_timestamp=NOW if deleting else None,
        labels=labels or {},
        owner_references=owners if owner else (),
        finalizers=(FINALIZER,) if held else (),
    )
    return Pod(metadata=meta, spec=PodSpec(base={}), status=PodStatus(phase=phase))


def listed(kind: Kind, version: int, *objects: Job | Pod, consistent: bool = True) -> list[Change]:
    """A whole list."""
    return [ListBegan(kind), *map(Seen, objects), ListEnded(kind, str(version), consistent)]


def gone(kind: Kind, uid: str, version: int | str = "") -> Gone:
    """A removal."""
    return Gone(kind, "default", uid, uid, str(version))


class Watching:
    """A reflector on a memory log."""

    def __init__(self, log: MemoryLog, journal: Journal, controller: str) -> None:
        self.log, self.journal = log, journal
        self.reflector = Reflector(journal, frozenset({controller}))
        self.seen = 0

    @classmethod
    async def begin(
        cls, *changes: Change, log: MemoryLog | None = None, controller: str = JOB_CONTROLLER
    ) -> "Watching":
        """Start on a log, by default an empty one, and see these changes."""
        log = log or MemoryLog()
        watching = cls(log, await open_journal(log, "main", "test", VirtualClock(), "seed"), controller)
        watching.see(*changes)
        return watching

    def see(self, *changes: Change) -> Sequence[Event]:
        """Show changes; the events they made."""
        self.reflector.observe(changes, 1.0)
        self.journal.flush()
        events: list[Event] = [
            event for event in events_of(self.log.ledger) if not isinstance(event, StreamStarted | EpochTaken)
        ]
        fresh, self.seen = events[self.seen :], len(events)
        return fresh

    def pods_of(self, uid: str) -> list[str]:
        """The pods known of a Job."""
        state = self.journal.projection.states.get(uid)
        return [] if state is None else list(state.pods)


def kinds(events: Sequence[Event]) -> list[str]:
    """The names of events' types."""
    return [type(event).__name__ for event in events]


async def synced(*changes: Change) -> Watching:
    """A reflector that has seen Job j and its pods p and q, in state Pending."""
    start = [*listed("Job", 10, job("j", 3)), *listed("Pod", 10, pod("p", 5, "j"), pod("q", 6, "j"))]
    return await Watching.begin(*start, *changes)


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


# ---- whose pods ---------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_pods_shown_before_their_job_are_kept_for_it_also_after_the_lists() -> None:
    watching = await synced()
    assert watching.see(Seen(pod("x", 20, "k")), Seen(pod("y", 21, "k"))) == []
    assert "2 waiting" in repr(watching.reflector)
    watching.see(gone("Pod", "y", 22))
    assert kinds(watching.see(Seen(job("k", 19)))) == ["JobSet", "PodCreated"]
    assert watching.pods_of("k") == ["x"]
    assert "0 waiting" in repr(watching.reflector)


@pytest.mark.asyncio
async def test_a_pod_being_deleted_whose_job_is_not_there_makes_the_job_known_as_missing() -> None:
    watching = await synced()
    events = watching.see(Seen(pod("x", 20, "lost", deleting=True)))
    assert kinds(events) == ["JobMissing", "PodCreated", "PodTerminating"]
    assert watching.reflector.take_touched()["lost"] is False
    assert kinds(watching.see(gone("Pod", "x", 21))) == ["PodGone"]
    assert "lost" not in watching.journal.projection.states
    assert watching.see(Seen(pod("free", 22, "lost", deleting=True, held=False)), gone("Pod", "free", 23)) == []


@pytest.mark.asyncio
async def test_such_a_pod_found_by_the_first_lists_is_found_too() -> None:
    watching = await Watching.begin(*listed("Pod", 10, pod("x", 5, "lost", deleting=True)), *listed("Job", 10))
    assert watching.pods_of("lost") == ["x"]


@pytest.mark.asyncio
async def test_a_pod_that_goes_to_another_job_leaves_its_former_one() -> None:
    watching = await synced(Seen(job("k", 11)))
    assert watching.see(Seen(pod("p", 12, "k"))) == [
        ev.PodGone("j", "p"), ev.PodCreated("k", "p", "p", "12", int(NOW.timestamp())),
    ]  # fmt: skip
    assert kinds(watching.see(Seen(pod("q", 13, "set", kind="ReplicaSet")))) == ["PodGone"]
    assert (watching.pods_of("j"), watching.pods_of("k")) == ([], ["p"])


@pytest.mark.asyncio
async def test_a_pod_taken_away_while_nobody_watched_leaves_its_job_too() -> None:
    first = await synced(Seen(job("k", 11)))
    again = await Watching.begin(log=first.log)
    bare = [pod("p", 12), pod("q", 13, "k")]  # neither an owner nor a label names the Job any more; or another owner
    again.see(*listed("Job", 15, job("j", 3), job("k", 11)), *listed("Pod", 15, *bare))
    assert again.pods_of("k") == ["q"]
    known = again.journal.projection.states["j"].pods
    assert [(uid, known[uid].owned) for uid in known] == [("p", False)]


@pytest.mark.asyncio
async def test_several_jobs_may_claim_an_orphan_and_all_let_go_when_one_has_it() -> None:
    jobs = [Seen(job(uid, 11 + at, manual_selector=True, selector=MANUAL)) for at, uid in enumerate("abc")]
    watching = await synced(*jobs)
    watching.see(Seen(pod("x", 14, held=False, labels={"app": "x"})))
    assert [watching.pods_of(uid) for uid in "abcj"] == [["x"], ["x"], ["x"], ["p", "q"]]
    watching.see(Seen(pod("x", 15, "b", labels={"app": "x"})))
    assert [watching.pods_of(uid) for uid in "abc"] == [[], ["x"], []]
    watching.see(Seen(pod("y", 16, held=False, labels={"app": "x"})), gone("Pod", "y", 17))
    assert [watching.pods_of(uid) for uid in "abc"] == [[], ["x"], []]


@pytest.mark.asyncio
async def test_orphans_there_before_a_job_that_selects_them_are_found() -> None:
    watching = await synced(Seen(pod("x", 11, held=False, labels={"app": "x"})))
    assert kinds(watching.see(Seen(job("a", 12, manual_selector=True, selector=MANUAL)))) == ["JobSet", "PodCreated"]


@pytest.mark.asyncio
async def test_a_pod_that_loses_its_owner_still_has_to_lose_the_finalizer() -> None:
    watching = await synced(Seen(pod("p", 11)))
    state = watching.journal.projection.states["j"]
    assert not state.pods["p"].owned
    assert watching.pods_of("j") == ["q", "p"]
    watching.see(Seen(pod("p", 12, held=False)))
    watching.see(gone("Pod", "p", 13))
    assert watching.pods_of("j") == ["q"]


@pytest.mark.asyncio
async def test_a_job_made_again_under_the_same_name_is_another_job() -> None:
    watching = await synced(gone("Job", "j", 11), Seen(job("j2", 12, name="j")))
    assert watching.journal.projection.find(job("j2", 12, name="j").key) is watching.journal.projection.states["j2"]
    assert (watching.pods_of("j"), watching.pods_of("j2")) == (["p", "q"], [])
    unsaid = watching.see(Seen(job("j3", 13, name="j")))
    assert unsaid[0] == ev.JobGone("j2"), "nobody said that it was deleted, but there is one Job of a name"
    assert "j2" not in watching.journal.projection.states


FOREIGN = job("f", 12, managed_by="example.com/other")


@pytest.mark.asyncio
async def test_jobs_that_others_manage_and_their_pods_are_left_alone() -> None:
    watching = await Watching.begin(*listed("Job", 10), *listed("Pod", 10), controller=PODLEDGER_CONTROLLER)
    pods = [pod("x", 13, "f"), pod("y", 14, "f", deleting=True)]
    assert watching.see(Seen(pod("early", 11, "f")), Seen(FOREIGN), *map(Seen, pods)) == []
    assert "0 waiting" in repr(watching.reflector)
    assert "1 foreign" in repr(watching.reflector)
    watching.see(*listed("Job", 20))
    assert "0 foreign" in repr(watching.reflector), "one that a list does not show is forgotten"
    assert watching.journal.projection.states == {}


@pytest.mark.asyncio
@pytest.mark.parametrize("end", [[gone("Job", "f", 20)], listed("Job", 20, job("j", 3))], ids=["deleted", "unlisted"])
async def test_in_the_place_of_the_built_in_controller_pods_of_a_foreign_job_are_ours_to_free_when_it_goes(
    end: list[Change],
) -> None:
    watching = await synced(Seen(pod("early", 11, "f")), Seen(FOREIGN), Seen(pod("free", 13, "f", held=False)))
    assert watching.see(Seen(pod("x", 14, "f", deleting=True)), Seen(pod("went", 15, "f"))) == []
    watching.see(gone("Pod", "went", 16), Seen(pod("freed", 17, "f")), Seen(pod("freed", 18, "f", held=False)))
    assert "2 waiting" in repr(watching.reflector), "nothing is kept but pods that are held"
    assert "f" not in watching.journal.projection.states
    assert "JobMissing" in kinds(watching.see(*end))
    assert watching.pods_of("f") == ["early", "x"], "each, whether it is being deleted or not"
    assert "0 waiting" in repr(watching.reflector)


@pytest.mark.asyncio
async def test_nothing_is_kept_of_pods_that_ended_or_went() -> None:
    watching = await synced()
    state = watching.journal.projection.states["j"]
    for number in range(100):
        uid, version = f"x{number}", 100 + 10 * number
        watching.see(Seen(pod(uid, version, "j")))
        watching.see(Seen(pod(uid, version + 1, "j", phase="Succeeded")))
        watching.journal.add([ev.PodCounted("j", uid, "succeeded", "x"), ev.PodReleased("j", uid)])
        watching.reflector.wrote_pod("default", uid, str(version + 2))
        watching.see(Seen(pod(uid, version + 2, "j", phase="Succeeded", held=False)))
    for number in range(100):
        uid, version = f"y{number}", 2000 + 10 * number
        watching.reflector.created(state, pod(uid, version, "j"))
        watching.see(Seen(pod(uid, version, "j")), gone("Pod", uid, version + 1))
    assert len(state.done) == 100
    assert "0 ahead" in repr(watching.reflector)
    assert "<PodHomes 2 at home, 0 waiting, 0 orphans>" in repr(watching.reflector)


@pytest.mark.asyncio
async def test_a_pod_that_nobody_owns_or_may_adopt_stands_for_itself_until_it_is_free() -> None:
    watching = await synced()
    assert kinds(watching.see(Seen(pod("x", 20, labels={"app": "x"})))) == ["JobMissing", "PodCreated"]
    assert watching.pods_of("x") == ["x"]
    assert watching.see(Seen(pod("x", 21, labels={"app": "x"}, phase="Pending"))) == []
    assert kinds(watching.see(Seen(pod("x", 22, held=False, labels={"app": "x"})))) == ["PodFinalizerGone"]
    assert "x" not in watching.journal.projection.states


@pytest.mark.asyncio
async def test_such_a_stray_found_by_the_first_lists_is_found_too_once_no_job_may_have_it() -> None:
    stray, adoptable = pod("x", 5, labels={"app": "z"}), pod("y", 6, labels={"app": "x"})
    jobs = listed("Job", 10, job("a", 4, manual_selector=True, selector=MANUAL))
    watching = await Watching.begin(*listed("Pod", 10, stray, adoptable), *jobs)
    assert (watching.pods_of("x"), watching.pods_of("a")) == (["x"], ["y"])
    assert "y" not in watching.journal.projection.states

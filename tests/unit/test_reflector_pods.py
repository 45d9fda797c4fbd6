"""Which Job a pod belongs to: shown early, taken away, given back, freed, of a Job that others manage."""

import pytest
from tests.unit.reflector_world import NOW, Watching, gone, job, kinds, listed, pod, synced

from podledger.api.job import LabelSelector
from podledger.job import event as ev
from podledger.job.names import PODLEDGER_CONTROLLER
from podledger.ports import Change, Seen

MANUAL = LabelSelector(match_labels={"app": "x"})


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
@pytest.mark.parametrize("owner", ["", "set"])
async def test_the_last_ended_pod_of_a_job_that_is_gone_may_lose_owner_and_finalizer_at_once(owner: str) -> None:
    """While nobody watched: what ends the Job must be the last that is told of it."""
    first = await synced(Seen(pod("p", 11, "j", phase="Succeeded")), gone("Pod", "q", 12), gone("Job", "j", 13))
    again = await Watching.begin(log=first.log)
    freed = pod("p", 14, owner, held=False, phase="Succeeded", kind="ReplicaSet")
    again.see(*listed("Job", 15), *listed("Pod", 15, freed))
    assert again.journal.projection.states == {}


@pytest.mark.asyncio
async def test_a_pod_given_back_to_a_job_that_is_gone_free_and_ended_is_forgotten_with_it() -> None:
    watching = await synced(Seen(pod("p", 11)), gone("Pod", "q", 12), gone("Job", "j", 13))
    watching.see(Seen(pod("p", 14, "j", held=False, deleting=True, phase="Succeeded")))
    assert watching.journal.projection.states == {}


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

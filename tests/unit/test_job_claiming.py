"""Whose pods are whose: adoption, letting go, and finalizers that nobody else takes off."""

import pytest
from msgspec.structs import replace
from tests.unit.job_case import done, order_of_writes, uids
from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import condition, job, make_pod, pods_of, status, status_of_phase

from podledger.api.job import JobSpec
from podledger.api.meta import OwnerReference
from podledger.api.pod import Pod
from podledger.job import command as cmd
from podledger.job.decision import is_managed_by
from podledger.job.event import JobMissing
from podledger.job.names import FINALIZER
from podledger.job.outcome import Failed, Outcome


def begin(pods: str = "", **spec: object) -> Performer:
    """A Job of one, and pods."""
    world = Performer(job(restart="Never", given=None, parallelism=1, completions=1, **spec))
    world.observe_job()
    for pod in pods_of(pods).values():
        world.put_pod(pod)
    return world


def orphan(name: str, phase: str = "Running") -> Pod:
    """A pod with the Job's labels, no owner and no finalizer."""
    pod = make_pod(name, finalizer=False, status=status_of_phase(phase, 0))
    return replace(pod, metadata=replace(pod.metadata, owner_references=()))


def test_an_orphan_is_adopted_before_anything_is_counted() -> None:
    world = begin()
    world.put_pod(orphan("o", "Succeeded"))
    world.sync()
    assert order_of_writes(world) == "ADOPT PUT PATCH PUT"
    assert world.job.status.succeeded == 1
    assert world.pods["o"].metadata.owner_references[0].uid == JOB_UID


def test_a_pod_that_somebody_took_away_after_it_counted_and_gave_back_counts_once() -> None:
    world = Performer(job(restart="Never", given=None, parallelism=1, completions=9))
    world.observe_job()
    world.put_pod(make_pod("s", status=status_of_phase("Succeeded", 0)))
    world.answers = lambda command: Failed(500, "", "no") if isinstance(command, cmd.ReleasePod) else None
    world.sync()
    assert len(world.state.uncounted_succeeded) == 1
    world.answers = lambda _: None
    pod = world.pods["s"]
    labels = pod.metadata.labels
    world.put_pod(replace(pod, metadata=replace(pod.metadata, owner_references=(), labels={})))
    world.sync()
    assert world.pods["s"].metadata.finalizers == (), "nobody's pod is held"
    assert world.state.succeeded == 1
    free = replace(pod, metadata=replace(pod.metadata, owner_references=(), labels=labels, finalizers=()))
    world.put_pod(free)
    world.sync()
    world.sync()
    assert (world.state.succeeded, world.state.uncounted_succeeded, world.job.status.succeeded) == (1, {}, 1)


def test_where_a_job_and_a_pod_that_no_longer_matches_are_being_deleted_the_pod_loses_the_finalizer() -> None:
    """The Job's deletion may wait for it, and nobody else frees it."""
    world = begin("a=F b=S")
    for pod in list(world.pods.values()):
        world.put_pod(replace(pod, metadata=replace(pod.metadata, labels={})))
    world.change_job(deleting=True)
    world.delete_pod("a")
    world.settle()
    assert {uid: pod.metadata.finalizers for uid, pod in world.pods.items()} == {"a": (), "b": (FINALIZER,)}
    assert world.pods["a"].metadata.owner_references, "it is not let go"
    assert (world.job.status.succeeded, world.job.status.failed) == (0, 0)


def test_a_failed_adoption_ends_the_sync() -> None:
    world = begin()

    def refuse(command: cmd.Command) -> Outcome | None:
        return Failed(409, "Conflict", "no") if isinstance(command, cmd.AdoptPod) else None

    world.answers = refuse
    world.put_pod(orphan("o"))
    world.sync()
    assert order_of_writes(world) == "ADOPT"


def test_a_pod_that_went_meanwhile_does_not_stop_the_sync_from_letting_it_go() -> None:
    world = begin("R")

    def vanish(command: cmd.Command) -> Outcome | None:
        return Failed(404, "NotFound", "no") if isinstance(command, cmd.LetGoPod) else None

    world.answers = vanish
    pod = world.pods["R1"]
    world.put_pod(replace(pod, metadata=replace(pod.metadata, labels={})))
    world.sync()
    assert order_of_writes(world) == "LETGO POST PUT"


def test_nothing_is_adopted_that_is_being_deleted_matches_not_or_belongs_to_another() -> None:
    world = begin("R")
    terminating = replace(orphan("t"), metadata=pods_of("T")["T1"].metadata)
    world.put_pod(replace(terminating, metadata=replace(terminating.metadata, owner_references=(), uid="t")))
    stranger = orphan("s")
    world.put_pod(replace(stranger, metadata=replace(stranger.metadata, labels={"app": "other"})))
    other = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="rs", uid="rs", controller=True)
    owned = orphan("x")
    world.put_pod(replace(owned, metadata=replace(owned.metadata, owner_references=(other,))))
    world.sync()
    assert order_of_writes(world) == "PUT"
    assert world.job.status.active == 1


def test_a_job_that_is_being_deleted_adopts_nothing_and_ignores_what_no_longer_matches() -> None:
    world = begin("R")
    world.change_job(deleting=True)
    world.put_pod(orphan("o"))
    pod = world.pods["R1"]
    world.put_pod(replace(pod, metadata=replace(pod.metadata, labels={})))
    world.sync()
    assert order_of_writes(world) == "PUT"
    assert world.job.status.active == 0
    assert FINALIZER in world.pods["R1"].metadata.finalizers


def test_pods_orphaned_by_a_deletion_lose_the_finalizer() -> None:
    world = begin("2R")
    world.change_job(deleting=True)
    for uid in ("R1", "R2"):
        pod = world.pods[uid]
        world.put_pod(replace(pod, metadata=replace(pod.metadata, owner_references=())))
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) == {"R1", "R2"}
    assert world.state.pods == {}


def test_a_pod_taken_over_by_another_controller_is_left_to_it() -> None:
    world = begin("R")
    other = OwnerReference(api_version="batch/v1", kind="Job", name="b", uid="b", controller=True)
    pod = world.pods["R1"]
    world.put_pod(replace(pod, metadata=replace(pod.metadata, owner_references=(other,))))
    world.sync()
    assert order_of_writes(world) == "POST PUT"
    assert FINALIZER in world.pods["R1"].metadata.finalizers


def test_a_finished_job_takes_off_stray_finalizers_and_writes_nothing_else() -> None:
    world = Performer(job(parallelism=1, completions=1, given=status(condition("Failed"), condition("FailureTarget"))))
    world.observe_job()
    for pod in pods_of("R S F").values():
        world.put_pod(pod)
    world.sync()
    assert order_of_writes(world) == "PATCH*3"
    world.forget_calls()
    world.settle()
    assert order_of_writes(world) == ""


def test_a_release_that_failed_in_a_sweep_is_made_again() -> None:
    world = begin("2R")
    world.remove_job()
    world.answers = lambda command: Failed(500, "InternalError", "no") if command == refused else None
    refused = cmd.ReleasePod(JOB_UID, "default", "R1", "R1")
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) == {"R2"}
    world.answers = lambda _command: None
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) == {"R1", "R2"}


def test_of_a_job_never_known_only_pods_being_deleted_lose_the_finalizer() -> None:
    world = Performer(job(parallelism=1))
    world.apply([JobMissing(JOB_UID, "default", "job")])
    for pod in pods_of("R T").values():
        world.put_pod(pod)
    world.sync()
    assert uids(done(world, cmd.ReleasePod)) == {"T1"}


def test_a_job_belongs_to_the_controller_it_names() -> None:
    builtin, ours = frozenset({"kubernetes.io/job-controller"}), frozenset({"podledger.io/job-controller"})
    assert is_managed_by(JobSpec(), builtin)
    assert not is_managed_by(JobSpec(), ours)
    assert is_managed_by(JobSpec(managed_by="podledger.io/job-controller"), ours)
    assert not is_managed_by(JobSpec(managed_by="example.com/other"), builtin | ours)


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_a_finalizer_that_is_put_back_holds_its_pod_until_that_is_counted(phase: str) -> None:
    world = begin("a=R")
    pod = world.pods["a"]
    world.put_pod(replace(pod, metadata=replace(pod.metadata, finalizers=())))
    world.sync()
    world.put_pod(replace(pod, status=status_of_phase(phase, 0)))
    world.settle()
    world.set_status("a", status_of_phase("Succeeded", 0))
    world.settle()
    assert world.job.status.succeeded == 1
    assert world.pods["a"].metadata.finalizers == ()

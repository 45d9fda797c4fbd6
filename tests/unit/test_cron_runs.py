"""The Jobs of a CronJob: which are its own, in which order they go, what they bear, and which of them are active."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.cron_world import CronWorld, name_of, seconds

from podledger.api.cronjob import JobTemplateSpec
from podledger.api.meta import ObjectMeta
from podledger.cron.command import CreateJob, DeleteJob, LookUpJob
from podledger.job.outcome import Done, Failed

HOURLY = "0 * * * *"
EARLY, LATE = "01-01 09:00", "01-01 09:30"


@pytest.mark.parametrize(
    ("first", "second", "goes"),
    [
        (("b", None), ("a", None), "a"),
        (("a", None), ("b", EARLY), "b"),
        (("a", EARLY), ("b", None), "a"),
        (("b", EARLY), ("a", EARLY), "a"),
        (("a", LATE), ("b", EARLY), "b"),
    ],
)
def test_history_goes_by_start_then_name_and_what_never_started_is_the_youngest(
    first: tuple[str, str | None], second: tuple[str, str | None], goes: str
) -> None:
    world = CronWorld(HOURLY, created="01-01 08:00", last="01-01 10:00", successful_jobs_history_limit=1)
    for name, started in (first, second):
        world.add(name)
        world.finish(name, "01-01 10:10", started=started or EARLY)
        if started is None:
            job = world.jobs[name]
            world.jobs[name] = replace(job, status=replace(job.status, start_time=None))
    assert world.sync("01-01 10:20").deleted == [goes]


def test_the_history_goes_although_a_quota_refuses_the_next_run() -> None:
    world = CronWorld(HOURLY, created="01-01 08:00", last="01-01 09:00", successful_jobs_history_limit=1)
    for name, started in (("an-hour-ago", "01-01 08:59"), ("a-minute-ago", "01-01 09:59")):
        world.add(name)
        world.finish(name, "01-01 09:59:30", started=started)
    world.answer = lambda it: Failed(403, "Forbidden", "exceeded quota: jobs") if isinstance(it, CreateJob) else None
    synced = world.sync("01-01 10:01")
    assert (synced.deleted, synced.reasons) == (["an-hour-ago"], ["SuccessfulDelete", "FailedCreate"])
    assert world.sync("01-01 10:02").deleted == []


def test_a_history_that_cannot_be_deleted_is_told_of_and_starts_the_next_run_all_the_same() -> None:
    world = CronWorld(HOURLY, created="01-01 08:00", last="01-01 09:00", failed_jobs_history_limit=0)
    world.add("old")
    world.finish("old", "01-01 09:10", "Failed")
    world.answer = lambda it: Failed(500, "InternalError", "etcd is away") if isinstance(it, DeleteJob) else None
    synced = world.sync("01-01 10:00:00.1")
    assert synced.told[0] == "Warning FailedDelete Deleted job: etcd is away"
    assert synced.created == [name_of("01-01 10:00")]
    world.answer = lambda it: None
    assert world.sync("01-01 10:01").deleted == ["old"]


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
def test_a_run_that_no_list_shows_but_the_cluster_has_stays_active(policy: str) -> None:
    world = CronWorld(HOURLY, created="01-01 08:59", concurrency_policy=policy, starting_deadline_seconds=1_000_000)
    world.sync("01-01 10:00:00.1")
    running = world.active
    world.jobs.clear()
    world.answer = lambda it: Done("1") if isinstance(it, LookUpJob) else None
    synced = world.sync("01-01 10:01:00.1")
    assert (synced.told, synced.created, synced.deleted, world.active) == ([], [], [], running)
    assert synced.wake_at == seconds("01-01 11:00:00.1")


def test_a_run_that_cannot_be_looked_up_holds_up_what_is_due() -> None:
    world = CronWorld(HOURLY, created="01-01 08:59", concurrency_policy="Replace")
    world.sync("01-01 10:00:00.1")
    running = world.active
    world.jobs.clear()
    world.answer = lambda it: Failed(400, "BadRequest", "request is invalid") if isinstance(it, LookUpJob) else None
    synced = world.sync("01-01 11:00:00.1")
    assert (synced.created, synced.deleted, world.active) == ([], [], running)


def test_a_namesakes_runs_are_history_and_those_of_others_are_not() -> None:
    world = CronWorld(HOURLY, created="01-01 08:00", last="01-01 10:00", successful_jobs_history_limit=0)
    world.add("of-a-former-namesake", controller="former-uid")
    world.add("of-another", controller="other-uid", owner="another")
    nobodys = world.add("nobodys")
    world.jobs["nobodys"] = replace(nobodys, metadata=replace(nobodys.metadata, owner_references=()))
    for name in tuple(world.jobs):
        world.finish(name, "01-01 10:10")
    assert world.sync("01-01 10:20").deleted == ["of-a-former-namesake"]


def test_a_name_that_nobodys_job_has_is_left_alone() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", concurrency_policy="Forbid")
    taken = world.add(name_of("01-01 01:00"))
    world.jobs[taken.metadata.name] = replace(taken, metadata=replace(taken.metadata, owner_references=()))
    before = world.cronjob
    synced = world.sync("01-01 01:00:00.1")
    assert (synced.created, synced.told) == ([], [])
    assert world.cronjob == before, "no status is written"


def test_a_namespace_that_goes_is_told_of_to_nobody() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.answer = lambda it: Failed(403, "NamespaceTerminating", "it goes") if isinstance(it, CreateJob) else None
    synced = world.sync("01-01 01:00:00.1")
    assert (synced.created, synced.told, world.active, world.last) == ([], [], [], None)


@pytest.mark.parametrize(
    ("time_zone", "told"),
    [(None, "2025-06-01T10:00:00Z"), ("UTC", "2025-06-01T10:00:00Z"), ("Europe/Rome", "2025-06-01T12:00:00+02:00")],
)
@pytest.mark.parametrize("annotations", [{}, {"x": "y"}, {"x": "y", "z": "x"}])
def test_a_run_bears_the_templates_labels_and_annotations_and_nothing_else_of_its_metadata(
    time_zone: str | None, told: str, annotations: dict[str, str]
) -> None:
    world = CronWorld("0 10,12 * * *", created="06-01 08:00", time_zone=time_zone)
    given: dict[str, Any] = {"labels": {"a": "b"}, "annotations": annotations}
    meta = ObjectMeta(name="ignored", namespace="ignored", finalizers=("example.com/ignored",), **given)
    world.change(job_template=JobTemplateSpec(metadata=meta, spec=world.cronjob.spec.job_template.spec))
    world.sync("06-01 10:00:00.1")
    (job,) = world.jobs.values()
    made = job.metadata
    assert made.labels == {"a": "b"}
    assert made.annotations == annotations | {"batch.kubernetes.io/cronjob-scheduled-timestamp": told}
    assert (made.name, made.namespace, made.finalizers) == (name_of("06-01 10:00"), "default", ())

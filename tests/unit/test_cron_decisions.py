"""What else a sync of a CronJob decides: what is missed and said of it, edits, deletion, refusals, conflicts."""

from typing import Any

import pytest
from tests.unit.cron_world import CronWorld, name_of, seconds

from podledger.cron.command import CreateJob, CronCommand
from podledger.cron.decision import decide_cron, proceed_cron
from podledger.cron.event import CronJobSet, CronSyncDecided, ScheduleFired, SlotsMissed
from podledger.cron.fold import fold_cron
from podledger.cron.outcome import CronOutcome
from podledger.cron.state import CronState, decode_cron_state, encode_cron_state
from podledger.job.outcome import Failed

HOURLY = "0 * * * *"


def test_a_week_of_missed_starts_ends_with_one_run_and_their_number() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", last="01-01 10:00")
    world.sync("01-08 10:30")
    (missed,) = world.logged(SlotsMissed)
    assert (missed.first_s, missed.count, missed.estimated) == (seconds("01-01 11:00"), 7 * 24 - 1, True)
    assert missed.rule == "only the latest missed slot is started"
    (fired,) = world.logged(ScheduleFired)
    assert (fired.slot_s, fired.rule, fired.late_s) == (seconds("01-08 10:00"), "started late", 1800.0)


def test_slots_that_are_too_late_are_logged_once() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", last="01-01 10:00", starting_deadline_seconds=60)
    for now in ("01-01 13:30", "01-01 13:31", "01-01 13:32"):
        world.sync(now)
    (missed,) = world.logged(SlotsMissed)
    assert (missed.count, missed.estimated, missed.rule) == (3, False, "startingDeadlineSeconds: too late to start")


def test_a_clock_set_back_starts_nothing_again() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.sync("01-01 10:00:00.1")
    back = world.sync("01-01 07:30")
    assert back.created == []
    assert back.wake_at == seconds("01-01 11:00:00.1"), "what ran has run"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"time_zone": "Mars/Base"}, 'UnknownTimeZone invalid timeZone: "Mars/Base": unknown time zone Mars/Base'),
        (
            {"schedule": "61 * * * *"},
            'UnparseableSchedule unparseable schedule: "61 * * * *" : end of range (61) above maximum (59): 61',
        ),
    ],
)
def test_what_cannot_be_followed_is_told_at_every_sync_and_not_waited_for(spec: dict[str, Any], told: str) -> None:
    world = CronWorld(spec.get("schedule", HOURLY), created="01-01 00:00", time_zone=spec.get("time_zone"))
    for now in ("01-01 01:00", "01-01 02:00"):
        synced = world.sync(now)
        assert synced.told == [f"Warning {told}"]
        assert synced.wake_at is None


def test_a_zone_in_the_schedule_works_and_is_warned_of() -> None:
    world = CronWorld("TZ=America/New_York 30 2 * * *", created="01-01 00:00", time_zone="Europe/Berlin")
    synced = world.sync("01-01 07:30:00.1")
    assert synced.reasons == ["UnsupportedSchedule", "SuccessfulCreate"]
    (job,) = world.jobs.values()
    annotation = job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert annotation == "2025-01-01T08:30:00+01:00", "told in spec.timeZone"


def test_a_new_schedule_moves_the_timer_and_starts_nothing() -> None:
    world = CronWorld("0 0 1 1 *", created="01-01 00:00:01")
    world.sync("01-02 10:30")
    world.change(schedule=HOURLY)
    synced = world.sync("01-02 10:31")
    assert (synced.created, synced.told) == ([], [])
    assert synced.wake_at == seconds("01-02 11:00:00.1")
    assert world.sync("01-02 10:32").created == [name_of("01-02 10:00")], "any other sync goes by the new schedule"
    world.change(schedule="61 * * * *")
    assert world.sync("01-02 10:33").told == [
        "Warning UnParseableCronJobSchedule unparseable schedule for cronjob: 61 * * * *"
    ]


def test_a_cronjob_that_is_being_deleted_starts_nothing_and_keeps_its_books() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.sync("01-01 01:00:00.1")
    world.delete("01-01 01:30")
    world.finish(name_of("01-01 01:00"), "01-01 01:40")
    synced = world.sync("01-01 02:00:00.1")
    assert (synced.created, synced.reasons, world.active) == ([], ["SawCompletedJob"], [])
    assert synced.wake_at is None


def test_a_refused_creation_is_told_and_tried_again() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.answer = lambda command: (
        Failed(403, "Forbidden", "exceeded quota") if isinstance(command, CreateJob) else None
    )
    synced = world.sync("01-01 01:00:00.1")
    assert synced.told == ["Warning FailedCreate Error creating job: exceeded quota"]
    assert world.last is None
    world.answer = lambda command: None
    assert world.sync("01-01 01:00:01").created == [name_of("01-01 01:00")]


def test_the_job_bears_template_owner_and_slot() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.sync("01-01 01:00:00.1")
    (job,) = world.jobs.values()
    (owner,) = job.metadata.owner_references
    assert (owner.kind, owner.name, owner.controller, owner.block_owner_deletion) == ("CronJob", "hello", True, True)
    assert job.metadata.annotations == {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2025-01-01T01:00:00Z"}
    assert job.spec == world.cronjob.spec.job_template.spec
    (reference,) = world.cronjob.status.active
    assert (reference.kind, reference.api_version, reference.name) == ("Job", "batch/v1", job.metadata.name)


def test_a_status_that_somebody_else_wrote_loses_no_run() -> None:
    def conflict(command: CronCommand) -> CronOutcome | None:
        if type(command).__name__ == "PublishCronStatus":
            return Failed(409, "Conflict", "the object has been modified")
        return None

    world = CronWorld(HOURLY, created="01-01 00:00")
    world.answer = conflict
    world.sync("01-01 01:00:00.1")
    world.cronjob = type(world.cronjob)(
        metadata=world.cronjob.metadata, spec=world.cronjob.spec, status=world.cronjob.status
    )
    world.change(suspend=None)
    world.answer = lambda command: None
    assert world.sync("01-01 01:00:01").created == []
    assert (world.active, world.last) == ([name_of("01-01 01:00")], seconds("01-01 01:00"))


def test_a_decision_taken_again_is_the_same() -> None:
    world = CronWorld("*/5 * * * *", created="01-01 00:00", concurrency_policy="Replace")
    for minute in range(5, 60, 5):
        world.sync(f"01-01 00:{minute:02}:00.1")
    again: CronState | None = None
    for at, event in enumerate(world.log):
        if isinstance(event, CronJobSet):
            again = CronState(uid=event.cronjob, namespace=event.namespace, name=event.name)
        assert again is not None
        if isinstance(event, CronSyncDecided):
            take = decide_cron if event.starts else proceed_cron
            events = take(decode_cron_state(encode_cron_state(again)), event.now_s, position=event.position).events
            assert list(events) == world.log[at : at + len(events)]
        fold_cron(again, event)
    assert again == world.state

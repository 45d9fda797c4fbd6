"""What Kubernetes' CronJob controller does, case by case: given a schedule, a past and a moment, what happens.

Where a case is about the schedule alone, it is in `test_cron_schedule.py`; about the API, in
`test_api_cronjob.py`; about the time to live of finished Jobs, in `test_store_ttl.py`. What no case of the table is
about is in `test_cron_decisions.py`.
"""

import pytest
from tests.unit.cron_world import CronWorld, name_of, seconds

from podledger.cron.command import CreateJob, CronCommand, DeleteJob
from podledger.cron.event import ScheduleFired, SlotSkipped, SlotsMissed
from podledger.cron.outcome import CronOutcome
from podledger.job.outcome import Failed, Unknown

HOURLY = "0 * * * *"


class Case:
    """Given a schedule, creationTimestamp or lastScheduleTime, a deadline and a time: what one sync does."""

    def __init__(
        self,
        schedule: str,
        last: str,
        now: str,
        slot: str | None,
        *,
        deadline_s: int | None = None,
        told: tuple[str, ...] = (),
        wait_s: float | None = None,
    ) -> None:
        self.schedule, self.last, self.now, self.slot = schedule, last, now, slot
        self.deadline_s, self.told, self.wait_s = deadline_s, told, wait_s


MANY = ("TooManyMissedTimes",)
CASES = {
    "4 only the latest of two": Case(HOURLY, "01-01 10:00", "01-01 12:30", "01-01 12:00", wait_s=1800.1),
    "5 many missed, and started": Case(HOURLY, "01-01 10:00", "01-10 12:30", "01-10 12:00", told=MANY),
    "6 too late": Case(HOURLY, "01-01 10:00", "01-10 12:30", None, deadline_s=200, wait_s=1800.1),
    "7 within the deadline few": Case(HOURLY, "01-01 10:00", "01-10 12:30", "01-10 12:00", deadline_s=7200),
    "8 a hundred are few": Case("* * * * *", "01-01 10:00", "01-01 11:40:30", "01-01 11:40"),
    "8 a hundred and one are many": Case("* * * * *", "01-01 10:00", "01-01 11:41:30", "01-01 11:41", told=MANY),
    "9 five minutes late": Case(HOURLY, "01-01 09:00", "01-01 10:05", None, deadline_s=200, wait_s=3300.1),
    "10 three minutes late": Case(HOURLY, "01-01 09:00", "01-01 10:03", "01-01 10:00", deadline_s=200),
    "11 no time at all": Case(HOURLY, "01-01 09:00", "01-01 10:00:00.1", None, deadline_s=0),
    "12 the estimate overshoots": Case("0,1 0 * * *", "01-01 00:01", "01-02 12:00", None, wait_s=12 * 3600 + 0.1),
    "13 working days": Case("0 9 * * 1-5", "01-01 09:00", "01-04 10:00", None, wait_s=47 * 3600 + 0.1),
    "14 months": Case("0 0 1 * *", "2024-01-01 00:00", "2024-03-31 12:00", None),
    "14 the next month": Case("0 0 1 * *", "2024-01-01 00:00", "2024-04-01 00:00:05", "2024-04-01 00:00"),
}


@pytest.mark.parametrize("name", CASES)
def test_which_slot_is_started(name: str) -> None:
    case = CASES[name]
    world = CronWorld(case.schedule, created="2020-01-01", last=case.last, starting_deadline_seconds=case.deadline_s)
    synced = world.sync(case.now)
    assert synced.created == ([] if case.slot is None else [name_of(case.slot)])
    expected = [*case.told, *(["SuccessfulCreate"] if case.slot is not None else [])]
    assert synced.reasons == expected
    if case.wait_s is not None:
        assert synced.wait_s == case.wait_s
    assert world.last == seconds(case.slot or case.last)


def test_1_2_3_a_slot_is_run_once() -> None:
    world = CronWorld(HOURLY, created="01-01 09:05")
    before = world.sync("01-01 09:59:59")
    assert before.created == []
    assert before.wait_s == 1.1
    synced = world.sync("01-01 10:00:00.1")
    assert synced.created == ["hello-28928760"]
    assert synced.told == ["Normal SuccessfulCreate Created job hello-28928760"]
    assert (world.active, world.last) == (["hello-28928760"], seconds("01-01 10:00"))
    assert synced.wait_s == 3600.0
    again = world.sync("01-01 10:00:05")
    assert (again.created, again.told) == ([], [])
    assert again.wake_at == seconds("01-01 11:00:00.1")


def test_15_a_schedule_that_never_fires_is_refused_and_not_waited_for() -> None:
    world = CronWorld("0 0 30 2 *", created="01-01 00:00")
    synced = world.sync("01-02 00:00")
    assert synced.told == [
        "Warning InvalidSchedule invalid schedule: 0 0 30 2 * : "
        "time difference between two schedules is less than 1 second"
    ]


def test_21_a_slot_is_told_in_the_time_zone() -> None:
    world = CronWorld("30 2 * * *", created="03-08 00:00", time_zone="America/New_York")
    world.sync("03-08 07:30:00.1")
    (job,) = world.jobs.values()
    annotation = job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert annotation == "2025-03-08T02:30:00-05:00"
    assert world.sync("03-09 08:00").created == [], "02:30 does not exist that day"
    assert world.sync("03-10 06:30:00.1").created == [name_of("03-10 06:30")]


def test_22_an_hour_that_comes_twice_has_two_runs() -> None:
    world = CronWorld("30 1 * * *", created="11-02 00:00", time_zone="America/New_York")
    first, second = world.sync("11-02 05:30:00.1"), world.sync("11-02 06:30:00.1")
    assert first.created == [name_of("11-02 05:30")]
    assert second.created == [name_of("11-02 06:30")]


def test_23_every_is_anchored_on_the_creation() -> None:
    world = CronWorld("@every 1h", created="01-01 00:00:17")
    synced = world.sync("01-01 03:00:30")
    assert synced.created == [name_of("01-01 03:00")]
    assert world.last == seconds("01-01 03:00:17")
    assert synced.wake_at == seconds("01-01 04:00:17.1")
    late = CronWorld("@every 1h", created="01-01 00:00:17", starting_deadline_seconds=30)
    for hour in (1, 2, 3):
        assert late.sync(f"01-01 0{hour}:00:17.1").created == [], "the deadline moves the anchor"


def test_24_two_slots_of_a_minute_share_a_name() -> None:
    world = CronWorld("@every 30s", created="01-01 10:00:00")
    assert world.sync("01-01 10:00:30.1").created == [name_of("01-01 10:00")]
    world.finish(name_of("01-01 10:00"), "01-01 10:00:40")
    assert world.sync("01-01 10:00:41").reasons == ["SawCompletedJob"]
    world.sync("01-01 10:01:00.1")
    world.finish(name_of("01-01 10:01"), "01-01 10:01:10")
    world.sync("01-01 10:01:11")
    synced = world.sync("01-01 10:01:30.1")
    assert (synced.created, synced.told) == ([], [])
    assert world.active == [name_of("01-01 10:01")], "found, and taken for the run of this slot"
    assert synced.wait_s == 0.0
    assert world.sync("01-01 10:01:30.2").reasons == ["SawCompletedJob"]
    assert world.active == []


@pytest.mark.parametrize(("deadline_s", "started"), [(None, True), (10, False)])
def test_25_26_forbid_starts_the_pending_slot_when_the_run_ends(deadline_s: int | None, started: bool) -> None:
    world = CronWorld(
        "* * * * *", created="01-01 09:59:30", concurrency_policy="Forbid", starting_deadline_seconds=deadline_s
    )
    world.sync("01-01 10:00:00.1")
    for minute in range(1, 6):
        assert world.sync(f"01-01 10:0{minute}:00.1").told == [
            "Normal JobAlreadyActive Not starting job because prior execution is running and concurrency policy is "
            "Forbid"
        ]
    assert [event.slot_s for event in world.logged(SlotSkipped)] == [
        seconds(f"01-01 10:0{minute}") for minute in range(1, 6)
    ]
    world.finish(name_of("01-01 10:00"), "01-01 10:05:30")
    synced = world.sync("01-01 10:05:30")
    assert synced.created == ([name_of("01-01 10:05")] if started else [])
    assert synced.wake_at == seconds("01-01 10:06:00.1")
    if started:
        (fired,) = world.logged(ScheduleFired)[1:]
        assert (fired.rule, fired.late_s) == ("started late", 30.0)
    assert world.logged(SlotsMissed) == [], "each was skipped by policy, which is logged once"


def test_27_replace_makes_room() -> None:
    world = CronWorld("* * * * *", created="01-01 09:59:30", concurrency_policy="Replace")
    world.sync("01-01 10:00:00.1")
    synced = world.sync("01-01 10:01:00.1")
    first, second = name_of("01-01 10:00"), name_of("01-01 10:01")
    assert (synced.deleted, synced.created, world.active) == ([first], [second], [second])
    assert synced.told == [
        f"Normal SuccessfulDelete Deleted job {first}",
        f"Normal SuccessfulCreate Created job {second}",
    ]


def test_28_replace_of_a_job_that_is_gone() -> None:
    world = CronWorld("* * * * *", created="01-01 09:59:30", concurrency_policy="Replace")
    world.sync("01-01 10:00:00.1")
    del world.jobs[name_of("01-01 10:00")]
    synced = world.sync("01-01 10:01:00.1")
    assert synced.told == [
        f"Normal MissingJob Active job went missing: {name_of('01-01 10:00')}",
        f"Normal SuccessfulCreate Created job {name_of('01-01 10:01')}",
    ]
    assert synced.deleted == []


def test_replace_starts_nothing_while_the_former_run_cannot_be_deleted() -> None:
    def refused(command: CronCommand) -> CronOutcome | None:
        return Failed(500, "InternalError", "etcd is away") if isinstance(command, DeleteJob) else None

    world = CronWorld("* * * * *", created="01-01 09:59:30", concurrency_policy="Replace")
    world.sync("01-01 10:00:00.1")
    world.answer = refused
    synced = world.sync("01-01 10:01:00.1")
    assert synced.told == ["Warning FailedDelete Deleted job: etcd is away"]
    assert synced.created == []
    world.answer = lambda command: None
    assert world.sync("01-01 10:01:01").created == [name_of("01-01 10:01")]


def test_29_allowed_runs_overlap() -> None:
    world = CronWorld("* * * * *", created="01-01 09:59:30")
    for minute in range(3):
        world.sync(f"01-01 10:0{minute}:00.1")
    assert len(world.active) == 3


@pytest.mark.parametrize(("deadline_s", "started"), [(None, ["01-01 14:00"]), (600, [])])
def test_30_resuming(deadline_s: int | None, started: list[str]) -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", last="01-01 10:00", starting_deadline_seconds=deadline_s)
    world.change(suspend=True)
    assert world.sync("01-01 10:05").wake_at is None
    assert world.sync("01-01 12:05").created == []
    world.change(suspend=False)
    synced = world.sync("01-01 14:20")
    assert synced.created == [name_of(slot) for slot in started]
    assert synced.wake_at == seconds("01-01 15:00:00.1")


def test_31_the_oldest_of_too_many_are_deleted() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", last="01-01 10:00")
    for number in range(1, 6):
        world.add(f"run-{number}")
        world.finish(f"run-{number}", "01-01 10:30", started=f"01-01 10:0{number}")
    synced = world.sync("01-01 10:31")
    assert synced.deleted == ["run-1", "run-2"]
    assert synced.told == [f"Normal SuccessfulDelete Deleted job run-{number}" for number in (1, 2)]


def test_32_a_limit_of_none_keeps_none() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", failed_jobs_history_limit=0)
    world.sync("01-01 01:00:00.1")
    world.finish(name_of("01-01 01:00"), "01-01 01:00:30", "Failed")
    synced = world.sync("01-01 01:00:31")
    assert synced.reasons == ["SuccessfulDelete"]
    assert (world.active, world.jobs) == ([], {})


def test_33_a_run_made_by_hand_blocks_nothing() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00", concurrency_policy="Forbid")
    world.add("manual")
    synced = world.sync("01-01 01:00:00.1")
    assert synced.told == [
        "Warning UnexpectedJob Saw a job that the controller did not create or forgot: manual",
        f"Normal SuccessfulCreate Created job {name_of('01-01 01:00')}",
    ]
    world.finish("manual", "01-01 01:10")
    world.sync("01-01 01:10:01")
    assert world.cronjob.status.last_successful_time is not None
    assert world.cronjob.status.last_successful_time.timestamp() == seconds("01-01 01:10")


def test_34_a_deleted_run_is_not_run_again() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.sync("01-01 01:00:00.1")
    world.jobs.clear()
    synced = world.sync("01-01 01:05")
    assert (synced.reasons, synced.created, world.active) == (["MissingJob"], [], [])
    assert world.sync("01-01 01:06").created == []


def test_35_a_crash_before_the_status_was_written_leaves_one_run() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    before = world.cronjob
    world.sync("01-01 01:00:00.1")
    world.cronjob = before
    world.restart(log_lost=True)
    synced = world.sync("01-01 01:00:05")
    assert (synced.reasons, synced.created) == (["UnexpectedJob"], [])
    assert (world.active, world.last) == ([name_of("01-01 01:00")], seconds("01-01 01:00"))


def test_a_crash_after_the_intent_finds_the_run_by_the_log() -> None:
    def lost(command: CronCommand) -> CronOutcome | None:
        if isinstance(command, CreateJob):
            world.add(command.job.metadata.name)
            return Unknown("the process died")
        return None

    world = CronWorld(HOURLY, created="01-01 00:00")
    world.answer = lost
    world.sync("01-01 01:00:00.1")
    world.answer = lambda command: None
    world.restart()
    synced = world.sync("01-01 01:00:05")
    assert (synced.told, synced.created) == ([], []), "it was meant, and is there"
    assert (world.active, world.last) == ([name_of("01-01 01:00")], seconds("01-01 01:00"))


@pytest.mark.parametrize(("ttl_s", "created"), [(None, True), (3600, True), (2, False)])
def test_a_run_that_may_have_come_and_gone_is_not_run_again(ttl_s: int | None, created: bool) -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    template = world.cronjob.spec.job_template
    spec = type(template.spec)(template=template.spec.template, ttl_seconds_after_finished=ttl_s)
    world.change(job_template=type(template)(spec=spec))
    world.answer = lambda command: Unknown("lost") if isinstance(command, CreateJob) else None
    world.sync("01-01 01:00:00.1")
    world.answer = lambda command: None
    world.restart()
    assert bool(world.sync("01-01 01:00:05").created) == created
    assert world.last == seconds("01-01 01:00")
    assert world.sync("01-01 01:00:06").created == []


def test_36_a_name_that_is_taken_is_left_alone_until_the_next_slot() -> None:
    world = CronWorld(HOURLY, created="01-01 00:00")
    world.add(name_of("01-01 01:00"), controller="somebody", owner="else")
    synced = world.sync("01-01 01:00:00.1")
    assert (synced.created, synced.told, world.active) == ([], [], [])
    assert synced.wake_at == seconds("01-01 02:00:00.1"), "Kubernetes would idle here"


def test_37_a_run_that_is_failing_is_still_active() -> None:
    world = CronWorld("* * * * *", created="01-01 09:59:30", concurrency_policy="Forbid")
    world.sync("01-01 10:00:00.1")
    world.finish(name_of("01-01 10:00"), "01-01 10:00:30", "FailureTarget")
    assert world.sync("01-01 10:01:00.1").reasons == ["JobAlreadyActive"]
    world.finish(name_of("01-01 10:00"), "01-01 10:01:30", "Failed")
    assert world.sync("01-01 10:01:30").created == [name_of("01-01 10:01")]

"""Which missed slot is the latest, how long to wait for the next, and schedules by interval: by tables of Kubernetes.

Times are told from 10:00 of a Thursday. What a whole sync does with a slot is in `test_cron_cases.py`.
"""

from datetime import UTC
from typing import NamedTuple

import pytest
from tests.unit.cron_world import CronWorld, name_of, seconds

from podledger.api.cron_schedule import parse_schedule
from podledger.cron.missed import NeverFires, latest_time, sync_again_at

TEN = seconds("2016-05-19 10:00")
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
HALF_PAST = 30 * MINUTE_S
EVERY_FOUR_HOURS, THREE_A_DAY = "30 6-16/4 * * 1-5", "30 10,11,12 * * 1-5"


class Latest(NamedTuple):
    """A schedule, from when on slots are looked for, now, the latest slot, and what its number is called."""

    schedule: str
    earliest_s: float
    now_s: float
    slot_s: float | None
    missed: str = "none"


LATEST = {
    "before the next": Latest("0 * * * *", 0, 30, None),
    "in the second of the last": Latest("0 * * * *", 0, 0, None),
    "just after the next": Latest("0 * * * *", 0, 61 * MINUTE_S, HOUR_S),
    "five missed": Latest("0 * * * *", 10, 301 * MINUTE_S, 5 * HOUR_S, "few"),
    "five minutes on": Latest("*/5 * * * *", HALF_PAST, 31 * MINUTE_S, None),
    "five minutes on, later": Latest("*/5 * * * *", 31 * MINUTE_S, 32 * MINUTE_S, None),
    "a day, from the last": Latest(EVERY_FOUR_HOURS, HALF_PAST, DAY_S + 31 * MINUTE_S, DAY_S + HALF_PAST, "few"),
    "a day, from the creation": Latest(EVERY_FOUR_HOURS, 0, DAY_S + 31 * MINUTE_S, DAY_S + HALF_PAST, "few"),
    "a weekend": Latest(EVERY_FOUR_HOURS, HALF_PAST, 4 * DAY_S + 31 * MINUTE_S, 4 * DAY_S + HALF_PAST, "few"),
    "an evening, overshot": Latest(THREE_A_DAY, HALF_PAST, 30 * HOUR_S + HALF_PAST, None, "few"),
    "a week by the hour": Latest("@every 1h", MINUTE_S, 7 * DAY_S, 7 * DAY_S - 59 * MINUTE_S, "many"),
}


@pytest.mark.parametrize("name", LATEST)
def test_the_latest_slot(name: str) -> None:
    case = LATEST[name]
    found = latest_time(parse_schedule(case.schedule), UTC, earliest=TEN + case.earliest_s, now=TEN + case.now_s)
    assert found.time == (None if case.slot_s is None else TEN + case.slot_s)
    assert case.missed == ("many" if found.many else "few" if found.estimate > 1 else "none")


def test_a_day_that_never_comes() -> None:
    with pytest.raises(NeverFires):
        latest_time(parse_schedule("59 23 31 2 *"), UTC, earliest=TEN + 10, now=TEN + HOUR_S)


@pytest.mark.parametrize(
    ("schedule", "earliest_s", "now_s", "wait_s"),
    [
        (EVERY_FOUR_HOURS, HALF_PAST, DAY_S + 31 * MINUTE_S, 4 * HOUR_S - MINUTE_S),
        (THREE_A_DAY, HALF_PAST, 30 * HOUR_S + HALF_PAST, 66 * HOUR_S),
        ("0 12 * * 4", 2 * HOUR_S, 19 * DAY_S + 90 * MINUTE_S, 48 * HOUR_S + HALF_PAST),
        ("0 12 * * 5", 0, 6 * HOUR_S, 20 * HOUR_S),
    ],
)
def test_the_wait_for_the_next_slot(schedule: str, earliest_s: float, now_s: float, wait_s: float) -> None:
    again = sync_again_at(parse_schedule(schedule), UTC, earliest=TEN + earliest_s, now=TEN + now_s)
    assert again == TEN + now_s + wait_s + 0.1


class Interval(NamedTuple):
    """Of `@every 1h`: creation or last slot, now, a deadline; the slot that is started, and the wait for the next."""

    anchor: str
    now: str
    deadline_s: int | None
    slot: str | None
    wait_s: float
    last: bool = True
    many: bool = False


INTERVALS = {
    "new, not time": Interval("09:59", "10:00", None, None, 59 * MINUTE_S, last=False),
    "new, time": Interval("08:59", "09:59", None, "09:59", HOUR_S, last=False),
    "new, past the deadline": Interval("08:59", "09:59:11", 10, None, HOUR_S - 11, last=False),
    "new, within the deadline": Interval("08:59", "09:59:09", 1_000_000, "09:59", HOUR_S - 9, last=False),
    "not time": Interval("09:59", "10:00", None, None, 59 * MINUTE_S),
    "time": Interval("09:59", "11:00", None, "10:59", 59 * MINUTE_S),
    "past the deadline": Interval("09:59", "10:59:11", 10, None, HOUR_S - 11),
    "within the deadline": Interval("09:59", "10:59:09", 1_000_000, "10:59", HOUR_S - 9),
    "two minutes late": Interval("08:59", "10:01", None, "09:59", 58 * MINUTE_S),
}


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("name", INTERVALS)
def test_a_schedule_by_interval(name: str, busy: bool) -> None:
    case, day = INTERVALS[name], "2016-05-19 "
    world = CronWorld(
        "@every 1h",
        created=day + (case.anchor if not case.last else "08:00"),
        last=day + case.anchor if case.last else None,
        starting_deadline_seconds=case.deadline_s,
    )
    if busy:
        world.make_active(world.add("running"))
    synced = world.sync(day + case.now)
    assert synced.created == ([] if case.slot is None else [name_of(day + case.slot)])
    assert synced.reasons == ["SuccessfulCreate"] * len(synced.created)
    assert synced.wait_s == round(case.wait_s + 0.1, 1)
    assert world.active == ["running"] * busy + synced.created


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
@pytest.mark.parametrize(("deadline_s", "many"), [(None, True), (1_000_000, True), (7200, False), (10, False)])
def test_a_week_late_the_latest_slot_is_started_by_every_policy(
    policy: str, deadline_s: int | None, many: bool
) -> None:
    world = CronWorld(
        "0 * * * *",
        created="2016-05-19 08:59",
        last="2016-05-19 09:01",
        concurrency_policy=policy,
        starting_deadline_seconds=deadline_s,
    )
    synced = world.sync("2016-05-26 10:00")
    assert synced.reasons == ["TooManyMissedTimes"] * many + ["SuccessfulCreate"]
    assert synced.created == world.active == [name_of("2016-05-26 10:00")]
    assert synced.wait_s == HOUR_S + 0.1


def test_a_week_late_by_interval() -> None:
    world = CronWorld("@every 1h", created="2016-05-19 09:01", last="2016-05-19 10:01")
    synced = world.sync("2016-05-26 10:00")
    assert (synced.reasons, synced.created) == (
        ["TooManyMissedTimes", "SuccessfulCreate"],
        [name_of("2016-05-26 09:01")],
    )
    assert synced.wait_s == MINUTE_S + 0.1
    late = CronWorld("@every 1h", created="2016-05-19 09:01", last="2016-05-19 10:01", starting_deadline_seconds=10)
    synced = late.sync("2016-05-26 10:01:11")
    assert (synced.told, synced.created) == ([], [])
    assert synced.wait_s == HOUR_S - 11 + 0.1


@pytest.mark.parametrize(
    ("before", "after", "wait_s"),
    [
        ("30 * * * *", "*/1 * * * *", 1.1),
        ("@every 1m", "@every 3m", 2 * MINUTE_S + 1.1),
        ("@every 3m", "@every 1m", 1.1),
    ],
)
def test_a_changed_schedule_moves_the_timer_to_its_own_next_slot(before: str, after: str, wait_s: float) -> None:
    world = CronWorld(before, created="2016-05-19 08:59", last="2016-05-19 09:59")
    assert world.sync("2016-05-19 09:59:58").created == []
    world.change(schedule=after)
    synced = world.sync("2016-05-19 09:59:59")
    assert (synced.created, synced.told) == ([], [])
    assert synced.wait_s == round(wait_s, 1)


def test_a_changed_time_zone_moves_the_timer_too() -> None:
    world = CronWorld("0 9 * * *", created="2016-05-19 06:00", time_zone="America/New_York")
    assert world.sync("2016-05-19 07:30").wake_at == seconds("2016-05-19 13:00:00.1")
    world.change(time_zone="Europe/Berlin")
    synced = world.sync("2016-05-19 07:31")
    assert (synced.created, synced.wake_at) == ([], seconds("2016-05-20 07:00:00.1"))
    world.change(suspend=False)
    assert world.sync("2016-05-19 07:32").created == [name_of("2016-05-19 07:00")], "any other sync goes by it"

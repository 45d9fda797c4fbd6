"""Times of schedules: on ordinary days as an independent library has them, on days when clocks change by tables.

The tables of New York and Havana are what Kubernetes does; those of Berlin, Lord Howe, Beirut and Apia were worked out
by hand from the rule of its search: months and days by the calendar, hours and minutes in real time.
"""

import contextlib
from datetime import UTC, datetime

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from podledger.api.cron_schedule import EveryInterval, InvalidSchedule, parse_schedule
from podledger.api.time_zone import find_time_zone
from podledger.cron.schedule import next_time

NEW_YORK, HAVANA, BERLIN = "America/New_York", "America/Havana", "Europe/Berlin"
LORD_HOWE, APIA, BEIRUT = "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut"


def times(schedule: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    """The next times of a schedule after a moment, told as the clocks of the zone do."""
    where, parsed = find_time_zone(zone), parse_schedule(schedule)
    at: float | None = datetime.fromisoformat(after).replace(tzinfo=where).timestamp()
    found: list[str] = []
    for _ in range(count):
        assert at is not None
        at = next_time(parsed, at, where)
        found.append("never" if at is None else f"{datetime.fromtimestamp(at, where):%m-%d %H:%M %z}")
        if at is None:
            break
    return found


# ---- ordinary days -----------------------------------------------------------------------------------------------


def fields(lowest: int, highest: int) -> st.SearchStrategy[str]:
    """A field: numbers, ranges, steps, lists of them."""
    numbers = st.integers(lowest, highest)
    pairs = st.tuples(numbers, numbers).map(sorted)
    ranges = pairs.map(lambda pair: f"{pair[0]}-{pair[1]}")
    # The library reads the step of a range of one as going on to the field's end.
    wide = pairs.filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(wide, st.integers(1, highest)).map(lambda both: f"{both[0]}/{both[1]}")
    return st.lists(st.one_of(numbers.map(str), ranges, stepped), min_size=1, max_size=3).map(",".join)


def starred(field: st.SearchStrategy[str], highest: int) -> st.SearchStrategy[str]:
    """A field that may also be a star, or one with a step."""
    return st.one_of(st.just("*"), st.integers(2, highest).map(lambda step: f"*/{step}"), field)


@st.composite
def schedules(draw: st.DrawFn) -> str:
    """Any five fields of which the two notations mean the same.

    With a star and a step, the day fields mean «and» to cron and «or» to Kubernetes: that is left out.
    """
    day, weekday = fields(1, 31), fields(0, 6)
    days = draw(st.one_of(st.just(("*", "*")), day.map(lambda it: (it, "*")), weekday.map(lambda it: ("*", it))))
    if draw(st.booleans()):
        days = (draw(day), draw(weekday))
    minute, hour, month = (
        draw(starred(fields(0, 59), 59)),
        draw(starred(fields(0, 23), 23)),
        draw(starred(fields(1, 12), 12)),
    )
    return f"{minute} {hour} {days[0]} {month} {days[1]}"


@given(schedules(), st.integers(0, 4_000_000_000))
def test_an_independent_library_has_the_same_times(schedule: str, after: int) -> None:
    ours = next_time(parse_schedule(schedule), after)
    theirs = next(CronSim(schedule, datetime.fromtimestamp(after, UTC)), None)
    if ours is None:
        # It looks further ahead than Kubernetes, which gives up after five years.
        assert theirs is None or theirs.timestamp() - after > 5 * 365 * 86_400
    else:
        assert theirs is not None
        assert ours == theirs.timestamp()


@given(schedules(), st.integers(0, 4_000_000_000), st.sampled_from([NEW_YORK, HAVANA, LORD_HOWE, APIA, "UTC"]))
def test_times_go_on_and_are_of_whole_minutes(schedule: str, after: int, zone: str) -> None:
    found = next_time(parse_schedule(schedule), after, find_time_zone(zone))
    assert found is None or (found > after and found % 60 == 0)
    if found is not None and found - after > 1:
        assert next_time(parse_schedule(schedule), found - 1, find_time_zone(zone)) == found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 0 13 * 5", ["01-03", "01-10", "01-13", "01-17"]),
        ("0 0 */2 * 1", ["01-03", "01-05", "01-06", "01-07"]),
        ("0 0 * * 1", ["01-06", "01-13"]),
        ("0 0 */1 * 1", ["01-06", "01-13"]),
        ("0 0 ? * 1", ["01-06", "01-13"]),
        ("@weekly", ["01-05", "01-12"]),
        ("0 0 29 FEB *", ["02-29"]),
    ],
)
def test_which_days_match(schedule: str, expected: list[str]) -> None:
    assert [found[:5] for found in times(schedule, "2025-01-01T12:00", len(expected))] == expected


def test_steps_and_intervals() -> None:
    assert [found[6:11] for found in times("5/15 * * * *", "2025-01-01T00:00", 4)] == [
        "00:05",
        "00:20",
        "00:35",
        "00:50",
    ]
    assert next_time(EveryInterval(90), 17.9) == 107
    assert times("0 0 30 2 *", "2025-01-01T00:00", 1) == ["never"]
    assert times(", * * * *", "2025-01-01T00:00", 1) == ["never"], "an empty list matches nothing"


# ---- days when clocks change -------------------------------------------------------------------------------------

CLOCK_CHANGES = [
    # What is skipped is lost, what comes twice runs twice; hours go by real time.
    (NEW_YORK, "30 2 * * *", "2025-03-08T00:00", ["03-08 02:30 -0500", "03-10 02:30 -0400"]),
    (NEW_YORK, "0 3 * * *", "2025-03-08T12:00", ["03-09 03:00 -0400", "03-10 03:00 -0400"]),
    (NEW_YORK, "0 */2 * * *", "2025-03-08T23:00", ["03-09 00:00 -0500", "03-09 04:00 -0400"]),
    (NEW_YORK, "0 * * * *", "2025-03-09T00:30", ["03-09 01:00 -0500", "03-09 03:00 -0400", "03-09 04:00 -0400"]),
    (NEW_YORK, "*/30 * * * *", "2025-03-09T01:00", ["03-09 01:30 -0500", "03-09 03:00 -0400"]),
    (NEW_YORK, "30 1 * * *", "2025-11-01T12:00", ["11-02 01:30 -0400", "11-02 01:30 -0500", "11-03 01:30 -0500"]),
    (NEW_YORK, "0 2 * * *", "2025-11-01T12:00", ["11-02 02:00 -0500", "11-03 02:00 -0500"]),
    (HAVANA, "0 0 * * *", "2025-03-08T12:00", ["03-10 00:00 -0400", "03-11 00:00 -0400"]),
    (BERLIN, "30 2 * * *", "2025-03-28T12:00", ["03-29 02:30 +0100", "03-31 02:30 +0200"]),
    (BERLIN, "30 2 * * *", "2025-10-25T12:00", ["10-26 02:30 +0200", "10-26 02:30 +0100", "10-27 02:30 +0100"]),
    (BERLIN, "0 3 30 3 *", "2025-01-01T00:00", ["03-30 03:00 +0200", "03-30 03:00 +0200"]),
    # Half an hour: 02:00 becomes 02:30. A minute that is looked for in the hour before runs on into the next.
    (LORD_HOWE, "15 2 * * *", "2025-10-04T12:00", ["10-06 02:15 +1100"]),
    (LORD_HOWE, "45 2 * * *", "2025-10-04T12:00", ["10-05 02:45 +1100"]),
    (LORD_HOWE, "45 1 * * *", "2025-10-04T12:00", ["10-05 01:45 +1030", "10-05 02:45 +1100", "10-06 01:45 +1100"]),
    (LORD_HOWE, "45 1 * * *", "2025-04-05T12:00", ["04-06 01:45 +1100", "04-06 01:45 +1030", "04-07 01:45 +1030"]),
    # A day that does not exist.
    (APIA, "0 12 * * *", "2011-12-28T13:00", ["12-29 12:00 -1000", "12-31 12:00 +1400", "01-01 12:00 +1400"]),
    (APIA, "0 0 30 12 *", "2011-12-01T00:00", ["12-30 00:00 +1400"]),
    # Midnight is skipped east of Greenwich: the search steps over the whole day, if it comes from the day before.
    (BEIRUT, "0 5 * * *", "2025-03-28T12:00", ["03-29 05:00 +0200", "03-30 05:00 +0300", "03-31 05:00 +0300"]),
    (BEIRUT, "0 5 30 3 *", "2025-03-01T00:00", ["03-30 05:00 +0300"]),
]


@pytest.mark.parametrize(("zone", "schedule", "after", "expected"), CLOCK_CHANGES)
def test_when_clocks_change(zone: str, schedule: str, after: str, expected: list[str]) -> None:
    assert times(schedule, after, len(expected), zone) == expected


def test_a_day_whose_midnight_is_skipped_is_passed_over_by_a_search_for_it() -> None:
    zone = find_time_zone(BEIRUT)
    found = next_time(parse_schedule("0 5 30 3 *"), datetime(2025, 3, 1, tzinfo=zone).timestamp(), zone)
    assert found is not None
    assert datetime.fromtimestamp(found, zone).year == 2026, "as in Kubernetes"


# ---- notation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("0 * * * * *", "expected exactly 5 fields, found 6: [0 * * * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("* * * * FRI-MON", "beginning of range (5) beyond end of range (1): FRI-MON"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("1- * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
        ("*/-5 * * * *", "negative number (-5) not allowed: -5"),
        (
            "99999999999999999999 * * * *",
            "failed to parse int from 99999999999999999999: strconv.Atoi: "
            'parsing "99999999999999999999": value out of range',
        ),
        ("@foo", "unrecognized descriptor: @foo"),
        ("@Hourly", "unrecognized descriptor: @Hourly"),
        ("@reboot", "unrecognized descriptor: @reboot"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5y", 'failed to parse duration @every 5y: time: unknown unit "y" in duration "5y"'),
        ("TZ=X * * * * *", "provided bad location X: unknown time zone X"),
        ("TZ=UTC", "invalid schedule format: runtime error: slice bounds out of range [:-1]"),
        (" @hourly", "expected exactly 5 fields, found 1: [@hourly]"),
    ],
)
def test_what_is_no_schedule(text: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse_schedule(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("1.5s", 1), ("500ms", 1), ("-1h", 1), ("0", 1), ("90s", 90), ("1m0.5m", 90), ("2us", 1)],
)
def test_intervals_are_whole_seconds_and_at_least_one(text: str, seconds: int) -> None:
    assert parse_schedule(f"@every {text}") == EveryInterval(seconds)


@given(st.text("0123456789*/-,? @everyTZ=CRON_MONjanms.\u00b5", max_size=30))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidSchedule):
        assert parse_schedule(text) == parse_schedule(text)

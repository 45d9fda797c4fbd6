"""`podledger cron next`: the next times by local clocks and UTC, with what is odd about them, and what is refused."""

import json

import pytest

from podledger.errors import InputError
from podledger_adapters.cli.cron import next_runs


def shown(capsys: pytest.CaptureFixture[str], schedule: str, tz: str, after: str, count: int) -> list[str]:
    """The lines behind the heading."""
    next_runs(schedule, tz=tz, after=after, count=count)
    return capsys.readouterr().out.splitlines()[1:]


def test_a_time_that_does_not_exist_is_shown_as_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "30 2 * * *", "America/New_York", "2025-03-08T00:00:00Z", 2) == [
        "2025-03-08 02:30:00 -0500 (Sat)  2025-03-08 07:30:00Z",
        "2025-03-09 02:30:00              -                     lost: clocks go forward, this time does not exist",
        "2025-03-10 02:30:00 -0400 (Mon)  2025-03-10 06:30:00Z",
    ]
    (lost, *_) = shown(capsys, "*/20 2 * * *", "Europe/Berlin", "2025-03-29T03:00:00Z", 1)
    assert lost.endswith("3 lost: clocks go forward, this time does not exist")


def test_a_time_that_comes_twice_is_marked_the_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "*/30 1,2 * * *", "America/New_York", "2025-11-02T03:00:00Z", 6)
    assert [("again" in line) for line in lines] == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("schedule", "tz", "after", "note"),
    [
        ("45 1 * * *", "Australia/Lord_Howe", "2025-10-04T15:00:00Z", "beside the schedule"),
        ("0 5 30 3 *", "Asia/Beirut", "2025-03-01T00:00:00Z", "passes over it"),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T22:30:00Z", "does not exist"),
    ],
)
def test_oddities_are_told(capsys: pytest.CaptureFixture[str], schedule: str, tz: str, after: str, note: str) -> None:
    assert any(note in line for line in shown(capsys, schedule, tz, after, 2))


@pytest.mark.parametrize("schedule", ["0 * * * *", "* * * * *", "*/30 * * * *"])
def test_what_runs_every_hour_loses_nothing_when_clocks_go_forward(
    capsys: pytest.CaptureFixture[str], schedule: str
) -> None:
    lines = shown(capsys, schedule, "America/New_York", "2025-03-09T06:00:00Z", 8)
    assert not any("lost" in line or "beside" in line for line in lines)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    next_runs("0 0 * * *", tz="America/Havana", after="2025-03-09T00:00:00Z", count=1, output="json")
    assert json.loads(capsys.readouterr().out) == [
        {"local": "2025-03-09T00:00:00", "utc": None, "note": "lost: clocks go forward, this time does not exist"},
        {"local": "2025-03-10T00:00:00", "utc": "2025-03-10T04:00:00Z", "note": ""},
    ]


@pytest.mark.parametrize(
    ("schedule", "tz", "after", "count", "said"),
    [
        ("0 0 30 2 *", "UTC", None, 1, "0 0 30 2 *: never runs"),
        ("61 * * * *", "UTC", None, 1, r"61 \* \* \* \*: end of range \(61\) above maximum \(59\): 61; write five"),
        ("", "UTC", None, 1, r"\(empty\): empty spec string"),
        ("TZ=UTC * * * * *", "UTC", None, 1, "name the zone with --tz"),
        ("* * * * *", "Mars", None, 1, "--tz Mars: unknown time zone Mars; give an IANA name"),
        ("* * * * *", "UTC", "soon", 1, "--after soon: is no time"),
        ("* * * * *", "UTC", None, 0, "-n 0: must be 1 to"),
    ],
)
def test_what_cannot_be_answered(schedule: str, tz: str, after: str | None, count: int, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("0 0 30 2 *", r"0 0 30 2 \*")):
        next_runs(schedule, tz=tz, after=after, count=count)

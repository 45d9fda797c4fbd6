"""`podledger cron next`: when a schedule runs next, by the clocks of its zone and in UTC.

The times and what is odd about them are `podledger.cron.agenda`'s.
"""

import sys
import time
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from podledger.api.cron_schedule import CronFields, CronSchedule, InvalidSchedule, parse_schedule
from podledger.api.time_zone import UnknownTimeZone, find_time_zone
from podledger.cron.agenda import Entry, next_entries
from podledger.errors import InputError
from podledger_adapters.cli.exit_code import ExitCode

__all__ = ["app", "next_runs"]

MOST = 10_000
WAY_OUT = "write five fields (minute hour day month weekday), or one of @hourly @daily @weekly @monthly @every 1h30m"

app = App(
    name="cron",
    help="Look at the schedules of CronJobs.",
    help_format="plaintext",
    help_epilogue="""Examples:
  podledger cron next '*/15 9-17 * * 1-5'               when it runs next, UTC
  podledger cron next '30 2 * * *' --tz Europe/Berlin   by these clocks""",
)


@app.command(name="next")
def next_runs(
    schedule: Annotated[str, Parameter(help="spec.schedule: five fields in quotes, or one of @hourly, @daily, ...")],
    *,
    tz: Annotated[str, Parameter(help="spec.timeZone: an IANA name. Without, a CronJob goes by UTC.")] = "UTC",
    count: Annotated[int, Parameter(name=["-n", "--count"], help="How many runs.")] = 10,
    after: Annotated[str | None, Parameter(help="Start behind this time (RFC 3339) instead of now.")] = None,
    output: Annotated[Literal["json"] | None, Parameter(name=["--output", "-o"], help="As JSON.")] = None,
) -> ExitCode:
    """Say when a schedule runs next, in local time and UTC.

    Times that a change of the clocks takes away or repeats are marked. Exit
    code 2 if it never runs.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"-n {count}: must be 1 to {MOST}")
    zone, parsed, start = _zone(tz), _schedule(schedule), _start(after)
    entries = list(next_entries(parsed, start, zone, count))
    if not any(entry.at is not None for entry in entries):
        raise InputError(f"{schedule}: never runs: no such day comes in the next five years; check day and month")
    if output == "json":
        _print_json(entries)
        return ExitCode.OK
    for line in _lines(entries, zone):
        print(line)
    if not isinstance(parsed, CronFields):
        print("note: @every counts from the CronJob's creation, and then from its last run", file=sys.stderr)
    return ExitCode.OK


def _zone(name: str) -> tzinfo:
    try:
        return find_time_zone(name)
    except UnknownTimeZone as error:
        raise InputError(f"--tz {name}: {error}; give an IANA name such as Europe/Berlin") from error


def _schedule(text: str) -> CronSchedule:
    if "TZ=" in text:
        raise InputError(f"{text}: cannot use TZ or CRON_TZ in schedule; name the zone with --tz")
    try:
        return parse_schedule(text)
    except InvalidSchedule as error:
        raise InputError(f"{text or '(empty)'}: {error}; {WAY_OUT}") from error


def _start(text: str | None) -> float:
    if text is None:
        return time.time()
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--after {text}: is no time; write it as 2025-03-08T00:00:00Z") from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _lines(entries: list[Entry], zone: tzinfo) -> list[str]:
    """Two columns of the same width, and notes behind them."""
    rows: list[tuple[str, str, str]] = [("LOCAL", "UTC", "")]
    for entry in entries:
        if entry.at is None:
            many = f"{entry.lost} " if entry.lost > 1 else ""
            rows.append((f"{entry.local:%Y-%m-%d %H:%M:%S}", "-", many + entry.note))
            continue
        local = datetime.fromtimestamp(entry.at, zone)
        utc = datetime.fromtimestamp(entry.at, UTC)
        rows.append((f"{local:%Y-%m-%d %H:%M:%S %z (%a)}", f"{utc:%Y-%m-%d %H:%M:%S}Z", entry.note))
    wide = max(len(local) for local, _, _ in rows)
    return [f"{local:<{wide}}  {utc:<20}  {note}".rstrip() for local, utc, note in rows]


def _print_json(entries: list[Entry]) -> None:
    document = [
        {
            "local": f"{entry.local:%Y-%m-%dT%H:%M:%S}",
            "utc": None if entry.at is None else f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "note": entry.note,
        }
        for entry in entries
    ]
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")

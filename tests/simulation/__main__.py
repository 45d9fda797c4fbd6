"""`python -m tests.simulation --seed N` repeats a run; `--campaign --minutes M` tries new ones and counts the faults.

`--everywhere` crashes one small run at every place there is, one after the other; `--pin` repeats one of these.

Every run prints its seed and what was drawn before it starts, so that any failure is repeated from its first line.
Exit status: 0 all well, 1 an oracle was violated or, in a campaign, a fault never fired; 2 wrong usage.
"""

import argparse
import logging
import sys
import traceback
from collections.abc import Sequence
from functools import partial

from tests.campaign import add_campaign_arguments, play_campaign
from tests.simulation.everywhere import CRASHES, SMALL, crash_everywhere
from tests.simulation.faults import Fault, Faults, Pin
from tests.simulation.scenario import draw_scenario
from tests.simulation.simulation import simulate

# A campaign of fewer runs than this cannot be expected to reach every fault.
RUNS_FOR_EVERY_FAULT = 200
STARTS = {"snapshot": "a snapshot and the log behind it", "log": "the log alone", "cluster": "the cluster alone"}


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; argparse exits with status 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description="Run the controller, its log and a cluster on one seed, with faults, and check them at every step.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, metavar="N", help="one run")
    what.add_argument("--campaign", action="store_true", help="runs on one seed after the other")
    what.add_argument("--everywhere", action="store_true", help="a small run, crashed at every place there is")
    what.add_argument("--pin", type=Pin.parse, metavar="FAULT:N", help="the small run, with the N-th chance of a fault")
    add_campaign_arguments(parser, [fault.name.lower() for fault in Fault])
    return parser.parse_args(arguments)


def describe(seed: int, only: frozenset[Fault] | None) -> str:
    """Everything that was drawn for a run before it starts."""
    faults = Faults(seed, only)
    enabled = ", ".join(fault.name.lower() for fault in Fault if fault in faults.enabled)
    return f"seed {seed}: {draw_scenario(seed)}; faults: {enabled or 'none'}"


def run_one(seed: int, only: frozenset[Fault] | None) -> dict[str, int] | None:
    """One run, told: how often which fault struck and what it started from; None if it failed."""
    print(describe(seed, only), flush=True)
    try:
        report = simulate(seed, only)
    except Exception as error:
        traceback.print_exception(error, file=sys.stdout)
        print(f"FAILED; repeat it with: python -m tests.simulation --seed {seed}", flush=True)
        return None
    fired = ", ".join(f"{name.lower()} x{times}" for name, times in report.fired.items()) or "no fault"
    print(f"    passed: {report.lives} lives, {report.steps} steps, schedule {report.schedule[:16]}; {fired}")
    return {name.lower(): times for name, times in report.fired.items()} | dict(report.starts)


def everywhere() -> int:
    """Crash everywhere; the exit status."""
    failed = False
    for fault in CRASHES:
        places = 0
        try:
            for _ in crash_everywhere(fault):
                places += 1
        except Exception as error:
            traceback.print_exception(error, file=sys.stdout)
            print(f"FAILED; repeat it with: python -m tests.simulation --pin {Pin(fault, places + 1)}")
            failed = True
        print(f"  {places:>7}  {fault.name.lower()}: {fault.value}", flush=True)
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    """The whole run; the exit status."""
    parsed = parse_arguments(arguments)
    # What the controller complains of while its ports die is no news here.
    logging.getLogger("podledger").setLevel(logging.CRITICAL)
    if parsed.everywhere:
        return everywhere()
    if parsed.pin is not None:
        print(simulate(1, scenario=SMALL, pin=parsed.pin))
        return 0
    only = frozenset(Fault[name.upper()] for name in parsed.only) if parsed.only else None
    if parsed.campaign:
        expected = {fault.name.lower(): fault.value for fault in Fault if only is None or fault in only}
        if only is None:
            expected |= {start: f"a start from {origin}" for start, origin in STARTS.items()}
        return play_campaign(parsed, partial(run_one, only=only), expected, RUNS_FOR_EVERY_FAULT)
    return 0 if run_one(parsed.seed, only) is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

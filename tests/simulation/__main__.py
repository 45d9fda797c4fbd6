"""`python -m tests.simulation --seed N` repeats a run; `--campaign --minutes M` tries new ones and counts the faults.

`--everywhere` crashes one small run at every place there is, one after the other; `--pin` repeats one of these.

Every run prints its seed and what was drawn before it starts, so that any failure is repeated from its first line.
Exit status: 0 all well, 1 an oracle was violated or, in a campaign, a fault never fired; 2 wrong usage.
"""

import argparse
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence

from tests.simulation.everywhere import CRASHES, SMALL, crash_everywhere
from tests.simulation.faults import Fault, Faults, Pin
from tests.simulation.scenario import draw_scenario
from tests.simulation.simulation import Report, simulate

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
    parser.add_argument("--minutes", type=float, default=10.0, help="how long a campaign lasts (default 10)")
    parser.add_argument("--runs", type=int, metavar="N", help="how many runs a campaign has, instead of --minutes")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="where a campaign begins (default 1)")
    parser.add_argument("--only", action="append", choices=[fault.name.lower() for fault in Fault], help="these faults")
    return parser.parse_args(arguments)


def describe(seed: int, only: frozenset[Fault] | None) -> str:
    """Everything that was drawn for a run before it starts."""
    faults = Faults(seed, only)
    enabled = ", ".join(fault.name.lower() for fault in Fault if fault in faults.enabled)
    return f"seed {seed}: {draw_scenario(seed)}; faults: {enabled or 'none'}"


def run_one(seed: int, only: frozenset[Fault] | None) -> Report | None:
    """One run, told; None if it failed."""
    print(describe(seed, only), flush=True)
    try:
        report = simulate(seed, only)
    except Exception as error:
        traceback.print_exception(error, file=sys.stdout)
        print(f"FAILED; repeat it with: python -m tests.simulation --seed {seed}", flush=True)
        return None
    fired = ", ".join(f"{name.lower()} x{times}" for name, times in report.fired.items()) or "no fault"
    print(f"    passed: {report.lives} lives, {report.steps} steps, schedule {report.schedule[:16]}; {fired}")
    return report


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


def campaign(first_seed: int, runs: int | None, minutes: float, only: frozenset[Fault] | None) -> int:
    """Runs on one seed after the other; the exit status."""
    ends_s = time.monotonic() + minutes * 60
    fired: Counter[str] = Counter()
    starts: Counter[str] = Counter(dict.fromkeys(STARTS, 0))
    seed, failed = first_seed, list[int]()
    while seed - first_seed < runs if runs is not None else time.monotonic() < ends_s:
        report = run_one(seed, only)
        if report is None:
            failed.append(seed)
        else:
            fired.update(report.fired)
            starts.update(report.starts)
        seed += 1
    done = seed - first_seed
    print(f"{done} runs, {len(failed)} failed{': seeds ' + ', '.join(map(str, failed)) if failed else ''}")
    for fault in Fault:
        print(f"  {fired[fault.name]:>7}  {fault.name.lower()}: {fault.value}")
    for start, times in starts.items():
        print(f"  {times:>7}  starts from {STARTS[start]}")
    silent = [fault.name.lower() for fault in Fault if not fired[fault.name] and (only is None or fault in only)]
    silent += [f"start from {STARTS[start]}" for start, times in starts.items() if not times and only is None]
    if silent and done >= RUNS_FOR_EVERY_FAULT:
        print(f"FAILED: never fired: {', '.join(silent)}")
    return 1 if failed or (silent and done >= RUNS_FOR_EVERY_FAULT) else 0


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
        return campaign(parsed.first_seed, parsed.runs, parsed.minutes, only)
    return 0 if run_one(parsed.seed, only) is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

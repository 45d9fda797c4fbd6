"""`python -m tests.faults --seed N` plays one run over HTTP; `--campaign --minutes M` tries new ones, counting faults.

Every run prints its seed and what was drawn before it starts, and what struck when it failed. Exit status: 0 all well,
1 an oracle was violated or, in a campaign, a fault never struck; 2 wrong usage.
"""

import argparse
import asyncio
import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence

from tests.faults.fault import Fault, Faults
from tests.faults.world import World

# A campaign of fewer runs than this cannot be expected to reach every fault.
RUNS_FOR_EVERY_FAULT = 60


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; argparse exits with status 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Run the controller against an API server over HTTP, with faults between them, and check the end.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, metavar="N", help="one run")
    what.add_argument("--campaign", action="store_true", help="runs on one seed after the other")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long a campaign lasts (default 10)")
    parser.add_argument("--runs", type=int, metavar="N", help="how many runs a campaign has, instead of --minutes")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="where a campaign begins (default 1)")
    parser.add_argument("--only", action="append", choices=[fault.name.lower() for fault in Fault], help="these faults")
    parser.add_argument("--log", action="store_true", help="show what the controller logs")
    return parser.parse_args(arguments)


def run_one(seed: int, only: frozenset[Fault] | None) -> Faults | None:
    """One run, told; None if it failed."""
    faults = Faults(seed, only)
    world = World(seed, faults)
    enabled = ", ".join(fault.name.lower() for fault in Fault if fault in faults.enabled)
    print(f"seed {seed}: {world.scenario}; faults: {enabled or 'none'}", flush=True)
    begun_s = time.monotonic()
    try:
        asyncio.run(world.run())
    except Exception as error:
        traceback.print_exception(error, file=sys.stdout)
        print(f"FAILED; struck: {faults}; try it again with: python -m tests.faults --seed {seed}", flush=True)
        return None
    writes = len(world.account.writes())
    print(f"    passed in {time.monotonic() - begun_s:.1f} s: {world.lives} lives, {writes} writes; {faults}")
    return faults


def campaign(first_seed: int, runs: int | None, minutes: float, only: frozenset[Fault] | None) -> int:
    """Runs on one seed after the other; the exit status."""
    ends_s = time.monotonic() + minutes * 60
    struck: Counter[Fault] = Counter()
    seed, failed = first_seed, list[int]()
    while seed - first_seed < runs if runs is not None else time.monotonic() < ends_s:
        faults = run_one(seed, only)
        if faults is None:
            failed.append(seed)
        else:
            struck.update(faults.struck)
        seed += 1
    done = seed - first_seed
    print(f"{done} runs, {len(failed)} failed{': seeds ' + ', '.join(map(str, failed)) if failed else ''}")
    for fault in Fault:
        print(f"  {struck[fault]:>7}  {fault.name.lower()}: {fault.value}")
    silent = [fault.name.lower() for fault in Fault if not struck[fault] and (only is None or fault in only)]
    if silent and done >= RUNS_FOR_EVERY_FAULT:
        print(f"FAILED: never struck: {', '.join(silent)}")
    return 1 if failed or (silent and done >= RUNS_FOR_EVERY_FAULT) else 0


def main(arguments: Sequence[str]) -> int:
    """The whole run; the exit status."""
    parsed = parse_arguments(arguments)
    # What the controller complains of while everything breaks is no news here.
    logging.getLogger("podledger").setLevel(logging.CRITICAL)
    logging.getLogger("podledger_adapters").setLevel(logging.CRITICAL)
    if parsed.log:
        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("podledger").setLevel(logging.INFO)
        logging.getLogger("podledger_adapters").setLevel(logging.INFO)
    only = frozenset(Fault[name.upper()] for name in parsed.only) if parsed.only else None
    if parsed.campaign:
        return campaign(parsed.first_seed, parsed.runs, parsed.minutes, only)
    return 0 if run_one(parsed.seed, only) is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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
from collections.abc import Sequence
from functools import partial

from tests.campaign import add_campaign_arguments, play_campaign
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
    add_campaign_arguments(parser, [fault.name.lower() for fault in Fault])
    parser.add_argument("--log", action="store_true", help="show what the controller logs")
    return parser.parse_args(arguments)


def run_one(seed: int, only: frozenset[Fault] | None) -> dict[str, int] | None:
    """One run, told: how often which fault struck; None if it failed."""
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
    return {fault.name.lower(): times for fault, times in faults.struck.items()}


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
        expected = {fault.name.lower(): fault.value for fault in Fault if only is None or fault in only}
        return play_campaign(parsed, partial(run_one, only=only), expected, RUNS_FOR_EVERY_FAULT)
    return 0 if run_one(parsed.seed, only) is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

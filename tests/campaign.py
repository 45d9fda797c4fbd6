"""Campaigns: runs on one seed after the other until the time is over, and whether everything struck that should.

What a run is, and what may strike it, are the matter of `tests.simulation` and `tests.faults`.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

__all__ = ["add_campaign_arguments", "play_campaign"]


def add_campaign_arguments(parser: argparse.ArgumentParser, faults: Iterable[str]) -> None:
    """What says how long a campaign lasts, where it begins, and which of these faults may strike."""
    parser.add_argument("--minutes", type=float, default=10.0, help="how long a campaign lasts (default 10)")
    parser.add_argument("--runs", type=int, metavar="N", help="how many runs a campaign has, instead of --minutes")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="where a campaign begins (default 1)")
    parser.add_argument("--only", action="append", choices=list(faults), help="these faults")


def play_campaign(
    parsed: argparse.Namespace,
    run: Callable[[int], Mapping[str, int] | None],
    expected: Mapping[str, str],
    runs_for_all: int,
) -> int:
    """The exit status of a campaign with these arguments.

    `run` plays a seed and returns how often what struck, by name; None if it failed. `expected` are the names of all
    that should strike, with what they are; fewer runs than `runs_for_all` cannot be expected to reach them all.
    """
    ends_s = time.monotonic() + parsed.minutes * 60
    struck: Counter[str] = Counter()
    done, failed = 0, list[int]()
    while done < parsed.runs if parsed.runs is not None else time.monotonic() < ends_s:
        seed = parsed.first_seed + done
        found = run(seed)
        if found is None:
            failed.append(seed)
        else:
            struck.update(found)
        done += 1
    print(f"{done} runs, {len(failed)} failed{': seeds ' + ', '.join(map(str, failed)) if failed else ''}")
    for name, meaning in expected.items():
        print(f"  {struck[name]:>7}  {name}: {meaning}")
    silent = [name for name in expected if not struck[name]] if done >= runs_for_all else []
    if silent:
        print(f"FAILED: never struck: {', '.join(silent)}")
    return 1 if failed or silent else 0

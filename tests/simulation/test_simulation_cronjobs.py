"""CronJobs on the simulator's loop: a seed draws the schedule of tasks, where the process dies and how long it is away.

`python -m tests.simulation.test_simulation_cronjobs FIRST RUNS` plays more seeds than the tests do.
"""

import random
import sys

import pytest

from tests.simulation.loop import SimulationLoop, run
from tests.unit.test_cron_crashes import MOST_POINTS, run_with_death

SEEDS = 30


def play(seed: int) -> int:
    """Some minutes of a CronJob whose process dies around a due time: each slot is run once or found missed.

    How many places there were to die at. Raises AssertionError where a slot is run twice, or nothing is known of it.
    """
    draws = random.Random(seed)
    at, down_s = draws.randrange(1, MOST_POINTS // 2), draws.choice((0.0, 1.0, 45.0, 61.0, 100.0, 400.0))
    log_lost = draws.random() < 0.3
    # With the log lost too, nobody could tell that a Job came and went before its status was written.
    ttl_s = None if log_lost else draws.choice((None, 0, 30))

    async def main(_: SimulationLoop) -> int:
        return await run_with_death(at, log_lost=log_lost, down_s=down_s, ttl_s=ttl_s)

    return run(main, seed)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_slot_is_run_once_or_found_missed(seed: int) -> None:
    assert play(seed) > 0


if __name__ == "__main__":
    first, runs = int(sys.argv[1]), int(sys.argv[2])
    for number in range(first, first + runs):
        print(f"seed {number}", end="\r", flush=True)
        play(number)
    print(f"{runs} seeds from {first}: each slot was run once or found missed")

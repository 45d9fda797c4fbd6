"""One run from its seed to its report: what `__main__.py` and the tests call."""

from collections.abc import Mapping

from msgspec import Struct

from podledger.api.job import Job
from tests.simulation.faults import Fault, Faults, Pin
from tests.simulation.loop import SimulationLoop, run
from tests.simulation.scenario import Scenario, draw_scenario
from tests.simulation.world import World, first_of

__all__ = ["Report", "simulate"]


class Report(Struct, frozen=True):
    """What a run came to. Two runs of one seed give equal reports.

    `starts` are the starts of the controller that came through, by what they began from: a snapshot, the log, or the
    cluster alone. `outcomes` say of each Job how it ended, and how many pods were made for it.
    """

    seed: int
    fired: Mapping[str, int]
    lives: int
    starts: Mapping[str, int]
    steps: int
    schedule: str
    chain: str
    statuses: Mapping[str, str]
    outcomes: Mapping[str, str]


def simulate(
    seed: int, only: frozenset[Fault] | None = None, scenario: Scenario | None = None, pin: Pin | None = None
) -> Report:
    """One run; `only` these faults, or those drawn, or one pinned. Raises Violation, Stuck, RanTooLong."""

    async def main(loop: SimulationLoop) -> Report:
        world = World(loop, seed, Faults(seed, only, pin), scenario or draw_scenario(seed))
        try:
            await world.run()
        except ExceptionGroup as group:
            raise first_of(group) from group
        return report_of(world, loop)

    return run(main, seed)


def report_of(world: World, loop: SimulationLoop) -> Report:
    """What a run came to."""
    chains = [oracle.chain.hex() for oracle in world.log_oracles]
    return Report(
        world.seed,
        {fault.name: times for fault, times in sorted(world.faults.fired.items())},
        len(world.lives),
        dict(sorted(world.starts.items())),
        loop.steps,
        loop.schedule,
        " ".join(chains),
        {str(job.key): repr(job.status) for job in world.store.table(Job).sorted()},
        {str(job.key): _outcome(world, job) for job in world.store.table(Job).sorted()},
    )


def _outcome(world: World, job: Job) -> str:
    status, made = job.status, len(world.cluster_oracle.accounts[job.metadata.uid].pods)
    ended = ", ".join(each.type for each in status.conditions if each.status == "True")
    indexes = f"{status.completed_indexes}/{status.failed_indexes or ''}"
    return f"{ended}; {status.succeeded} succeeded, {status.failed} failed, indexes {indexes}; {made} pods made"

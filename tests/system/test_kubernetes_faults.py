"""A controller and API servers with everything between them that goes wrong: exact counts, and then no more writes."""

# Planting a bug means reaching inside.
# pyright: reportPrivateUsage=false

import pytest
from tests.faults.fault import Fault, Faults
from tests.faults.world import World
from tests.simulation.account import Violation

from podledger.job import decision
from podledger.job.state import Step

# Few enough for every test run; `python -m tests.faults --campaign` is the real thing.
SEEDS = (1, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_oracle_holds(seed: int) -> None:
    faults = Faults(seed)
    world = World(seed, faults)
    await world.run()
    assert faults.struck
    assert world.lives


@pytest.mark.asyncio
async def test_a_finalizer_that_comes_off_too_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(decision._SYNC, Step.PUBLISH, decision._SYNC[Step.RELEASE])
    with pytest.raises(Violation, match="nothing tells that it counted"):
        await World(1, Faults(1, frozenset())).run()


def test_every_fault_is_enabled_by_some_seed() -> None:
    assert frozenset[Fault]().union(*(Faults(seed).enabled for seed in range(30))) == frozenset(Fault)

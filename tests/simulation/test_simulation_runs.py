"""The simulator itself: it is repeatable, its oracles hold on some seeds, and it catches the bugs it is there for."""

import pytest

from tests.simulation.everywhere import CRASHES, crash_everywhere
from tests.simulation.faults import Fault, Faults, Pin
from tests.simulation.simulation import simulate

# Few enough for every test run; `python -m tests.simulation --campaign` is the real thing.
SEEDS = range(1, 13)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_oracle_holds(seed: int) -> None:
    assert simulate(seed).statuses


def test_a_run_without_faults_takes_one_life_to_finish() -> None:
    report = simulate(1, frozenset())
    assert report.fired == {}
    assert report.lives == 2  # the second is the one that shows that nothing is left to do


def test_one_seed_is_one_run() -> None:
    first, second = simulate(3), simulate(3)
    assert first == second


def test_other_seeds_are_other_runs() -> None:
    assert len({simulate(seed, frozenset()).schedule for seed in range(5)}) == 5


def test_faults_are_drawn_from_the_seed() -> None:
    assert Faults(4).enabled == Faults(4).enabled
    assert len({Faults(seed).enabled for seed in range(10)}) == 10


def test_every_fault_is_enabled_by_some_seed() -> None:
    assert frozenset[Fault]().union(*(Faults(seed).enabled for seed in range(30))) == frozenset(Fault)


@pytest.mark.parametrize("fault", CRASHES)
def test_a_crash_anywhere_leaves_no_trace_in_the_end(fault: Fault) -> None:
    # A few places of each kind; `python -m tests.simulation --everywhere` takes them all.
    stride = {Fault.CRASH_AT_STEP: 61, Fault.CRASH_AT_PORT: 19}.get(fault, 5)
    assert all(report.fired == {fault.name: 1} for report in crash_everywhere(fault, stride=stride))


def test_a_pin_strikes_once_at_the_time_it_names() -> None:
    faults = Faults(1, pin=Pin.parse("call_lost:2"))
    assert [faults.strikes(Fault.CALL_LOST) for _ in range(4)] == [False, True, False, False]
    assert not faults.strikes(Fault.CALL_REFUSED)


@pytest.mark.parametrize("text", ["nothing:1", "call_lost:x", ""])
def test_a_pin_of_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no fault and number"):
        Pin.parse(text)

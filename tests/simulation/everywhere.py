"""A crash at every place there is, one run each, in a scenario small enough for that; each ends as if nothing happened.

The differential oracle: the same Jobs without a fault say how it has to end, and how many pods it takes.
"""

from collections.abc import Iterator
from itertools import count

from podledger_adapters.nodes.behaviour import Workload
from tests.simulation.account import violated
from tests.simulation.faults import Fault, Pin
from tests.simulation.scenario import Scenario, fixed_job, indexed_job
from tests.simulation.simulation import Report, simulate

__all__ = ["CRASHES", "SMALL", "crash_everywhere"]

CRASHES = (
    Fault.CRASH_BEFORE_APPEND,
    Fault.CRASH_DURING_APPEND,
    Fault.CRASH_AFTER_APPEND,
    Fault.CRASH_BEFORE_CALL,
    Fault.CRASH_AMONG_CALLS,
    Fault.CRASH_AFTER_CALL,
    Fault.CRASH_AT_PORT,
    Fault.CRASH_AT_STEP,
)
# What a pod does depends on its place in its Job, so that every run of these has the same failures.
SMALL = Scenario(
    jobs=(fixed_job("fixed", completions=3, parallelism=2), indexed_job("indexed", completions=3, retries=1)),
    workload=Workload(duration_s=(1.0, 9.0), failure_probability=0.4),
)


def crash_everywhere(fault: Fault, *, seed: int = 1, stride: int = 1) -> Iterator[Report]:
    """Runs in which this crash strikes the first, second, ... time it could, until it could no more often.

    `stride` leaves places out. Raises what `simulate` raises, with the pin that repeats it.
    """
    undisturbed = simulate(seed, frozenset(), SMALL)
    for time in count(1, stride):
        pin = Pin(fault, time)
        try:
            report = simulate(seed, scenario=SMALL, pin=pin)
            if not report.fired:
                return
            if report.outcomes != undisturbed.outcomes:
                violated(f"ended as {report.outcomes}, without the crash as {undisturbed.outcomes}")
        except Exception as error:
            error.add_note(f"seed {seed}, {pin}")
            raise
        yield report

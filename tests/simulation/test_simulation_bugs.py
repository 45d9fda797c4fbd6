"""The simulator earns its trust: deliberate bugs, one at a time, are each caught within a few seeds."""

# Planting a bug means reaching inside.
# pyright: reportPrivateUsage=false

import re
from collections.abc import Callable

import pytest

from podledger.freshness import Freshness, IsGone
from podledger.job import decision
from podledger.job.shares import rebuild
from podledger.job.state import Step
from podledger.log.stream import StreamEnd
from podledger.pod_homes import PodHomes
from podledger.ports import Kind
from podledger.projection import Projection
from podledger.schedule import Schedule
from tests.simulation.account import Violation
from tests.simulation.faults import Fault
from tests.simulation.loop import RanTooLong, Stuck
from tests.simulation.simulation import simulate

# Each bug below is caught within the first third of these.
SEEDS = range(1, 61)

# After a restore, or the loss of the log, much is excused that a bug might do.
FAULTS = frozenset(Fault) - {Fault.RESTORED, Fault.RESTORED_AHEAD, Fault.LOG_LOST}

Plant = Callable[[pytest.MonkeyPatch], None]


def first_caught(seeds: range) -> str:
    """The first violation on these seeds, "" if there is none."""
    for seed in seeds:
        try:
            simulate(seed, FAULTS)
        except (Violation, Stuck, RanTooLong) as error:
            return f"seed {seed}: {error}"
    return ""


def release_before_publishing(patch: pytest.MonkeyPatch) -> None:
    """The finalizer comes off before the status says that the pod counted."""
    steps = decision._SYNC
    patch.setitem(steps, Step.PUBLISH, steps[Step.RELEASE])


def forget_uids_after_restart(patch: pytest.MonkeyPatch) -> None:
    """A controller that takes over does not know which pods were counted."""
    original = Projection.apply

    def apply(self: Projection, event: object) -> None:
        original(self, event)  # type: ignore[arg-type]  # as it came
        if type(event).__name__ == "EpochTaken":
            for state in self.states.values():
                state.done.clear()
                for pod in state.pods.values():
                    pod.counted = ""
                rebuild(state)

    patch.setattr(Projection, "apply", apply)


def ignore_the_epoch(patch: pytest.MonkeyPatch) -> None:
    """The log takes appends of a holder that was replaced."""
    original = StreamEnd.refusal

    def refusal(self: StreamEnd, expected_position: int, epoch: int, batch_id: str) -> object:
        return original(self, expected_position, self.epoch, batch_id)

    patch.setattr(StreamEnd, "refusal", refusal)


def trust_a_stale_list(patch: pytest.MonkeyPatch) -> None:
    """What an old list does not show is taken for gone, even what is newer than the list."""
    drop_unlisted = PodHomes.drop_unlisted

    def dropping(self: PodHomes, is_gone: IsGone) -> None:
        drop_unlisted(self, lambda namespace, uid, _version: is_gone(namespace, uid, 0))

    def nothing_known(self: Freshness, kind: Kind) -> int:
        return 0

    def nothing_written(self: Freshness, uid: str, version: int) -> bool:
        return False

    patch.setattr(Freshness, "list_known", nothing_known)
    patch.setattr(Freshness, "written_after", nothing_written)
    patch.setattr(PodHomes, "drop_unlisted", dropping)


def lose_a_wake_up(patch: pytest.MonkeyPatch) -> None:
    """A Job becomes due earlier than a worker sleeps for, and nobody wakes the worker."""

    def ask(self: Schedule, uid: str, at: float) -> None:
        self._due.add(uid, at)

    patch.setattr(Schedule, "_ask", ask)


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (release_before_publishing, "is let go and nothing tells that it counted"),
        (forget_uids_after_restart, "is counted at position|and is in uncounted|has the wrong outcome"),
        (ignore_the_epoch, "under epoch|PositionConflict"),
        (trust_a_stale_list, "is let go|uncounted|ever left|active pods|is counted at"),
        (lose_a_wake_up, "not finished"),
    ],
)
def test_a_deliberate_bug_is_caught(plant: Plant, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    caught = first_caught(SEEDS)
    assert re.search(told, caught)

"""What simulated pods do: how long they take, whether they fail. A behaviour is a function from pod to `PodRun`."""

from collections.abc import Callable
from hashlib import blake2b

from msgspec import Struct

from podledger.api.pod import Pod
from podledger.job.names import COMPLETION_INDEX

__all__ = ["Behaviour", "Draws", "PodRun", "Workload", "completion_index"]


class PodRun(Struct, frozen=True):
    """One run of a pod's containers. Times in seconds.

    The pod is Running after `start_s`, Ready after `ready_s` more (None: never), and its containers exit `duration_s`
    after they started with `exit_code`. When told to stop they exit with `stop_exit_code` after `stop_s`, or are killed
    (exit code 137) when the grace period ends first. A `disrupted` run does not end by itself: after `duration_s` its
    node is lost, and the pod becomes Failed with the condition DisruptionTarget and no exit code.
    """

    duration_s: float = 0.0
    exit_code: int = 0
    start_s: float = 0.0
    ready_s: float | None = 0.0
    stop_s: float = 0.0
    stop_exit_code: int = 143
    disrupted: bool = False


class Draws:
    """Random numbers that belong to one run of one pod: the same ones whenever and beside whatever it runs."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._count = 0

    def random(self) -> float:
        """A number from 0 to 1, 1 excluded."""
        self._count += 1
        digest = blake2b(f"{self._key}/{self._count}".encode(), digest_size=7).digest()
        # 53 bits, as many as a float holds exactly.
        return (int.from_bytes(digest, "big") >> 3) / (1 << 53)

    def uniform(self, low: float, high: float) -> float:
        """A number between two."""
        return low + (high - low) * self.random()


Behaviour = Callable[[Pod, Draws], PodRun]


class Workload(Struct, frozen=True):
    """The usual behaviour: durations drawn evenly between two bounds, failures by chance or by index.

    `failing_indexes` are completion indexes whose pods always fail; any pod fails with `failure_probability`, and
    loses its node with `disruption_probability`.
    """

    duration_s: tuple[float, float] = (0.0, 0.0)
    start_s: tuple[float, float] = (0.0, 0.0)
    failure_probability: float = 0.0
    disruption_probability: float = 0.0
    failing_indexes: frozenset[int] = frozenset()
    exit_code: int = 1

    def __call__(self, pod: Pod, draws: Draws) -> PodRun:
        """What this pod does."""
        failed = self.failure_probability > 0 and draws.random() < self.failure_probability
        if self.failing_indexes and completion_index(pod) in self.failing_indexes:
            failed = True
        disrupted = self.disruption_probability > 0 and draws.random() < self.disruption_probability
        return PodRun(
            duration_s=_between(self.duration_s, draws),
            start_s=_between(self.start_s, draws),
            exit_code=self.exit_code if failed else 0,
            disrupted=disrupted,
        )


def completion_index(pod: Pod) -> int:
    """The pod's completion index, -1 if it has none."""
    text = pod.metadata.annotations.get(COMPLETION_INDEX, "")
    return int(text) if text.isdecimal() else -1


def _between(bounds: tuple[float, float], draws: Draws) -> float:
    low, high = bounds
    return low if low == high else draws.uniform(low, high)

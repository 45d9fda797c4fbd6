"""Back-off after failed pods: the Job's own record, and that of each index (KEP-3850)."""

from collections.abc import Iterable
from typing import NamedTuple

from podledger.job.limits import Limits
from podledger.job.state import JobState, Phase, PodRecord

__all__ = ["Backoff", "backoff_delay", "backoff_now", "index_ready_at"]


class Backoff(NamedTuple):
    """Failures since the last success, and the time of the last one (Unix seconds)."""

    failures: int
    last_s: int

    def ends_at(self, limits: Limits) -> float:
        """When pods may be created again; 0 for at once."""
        return self.last_s + backoff_delay(self.failures, limits) if self.failures > 0 else 0.0


def backoff_delay(failures: int, limits: Limits) -> float:
    """Seconds to wait after this many failures in a row: base, doubled each time, capped."""
    if failures <= 0:
        return 0.0
    # Beyond 2^32 times the base every cap is reached; the bound keeps the number small.
    return min(limits.backoff_base_s * 2.0 ** min(failures - 1, 32), limits.backoff_max_s)


def backoff_now(state: JobState, uids: Iterable[str]) -> Backoff:
    """The Job's record with these pods' results taken in; uids of pods already counted change nothing.

    Failures that a policy ignores count here, and so do terminating pods where they are replaced at once.
    """
    tally = state.tally
    record = Backoff(state.backoff_failures, state.backoff_last_s)
    if not tally.new_failed and not tally.new_ignored:
        return Backoff(0, record.last_s) if tally.new_succeeded or tally.new_indexes else record
    pods = [state.pods[uid] for uid in uids]
    fresh = [pod for pod in pods if not (pod.counted or pod.discarded) and state.has_valid_index(pod)]
    failures = [pod.finished_s for pod in fresh if state.is_failed(pod)]
    successes = [pod.finished_s for pod in fresh if pod.phase == Phase.SUCCEEDED]
    if not failures:
        return Backoff(0, record.last_s) if successes else record
    if not successes:
        return Backoff(record.failures + len(failures), max(failures))
    last_success = max(successes)
    return Backoff(sum(1 for at in failures if at > last_success), max(failures))


def index_ready_at(pod: PodRecord, limits: Limits) -> float:
    """When the index of this retained failed pod may run again (backoffLimitPerIndex)."""
    return pod.finished_s + backoff_delay(pod.failure_count + pod.ignored_count + 1, limits)

"""Who is deleted first when there are too many pods, ordered as upstream. Jobs know no pod-deletion-cost."""

from heapq import nsmallest

from podledger.job.state import JobState, Phase, PodRecord, Standing

__all__ = ["active_pods", "surplus_pods"]

_PHASE_RANK = {Phase.PENDING: 0, Phase.UNKNOWN: 1, Phase.RUNNING: 2}


def _rank(pod: PodRecord) -> tuple[bool, int, bool, float, int, int, int]:
    """The smaller, the sooner deleted; zero times come first where the younger goes first."""
    ready_since = _younger_first(pod.ready_since_s) if pod.ready else 0.0
    return (
        pod.scheduled,
        _PHASE_RANK.get(pod.phase, 2),
        pod.ready,
        ready_since,
        -pod.most_restarts,
        -pod.most_sidecar_restarts,
        -pod.created_s if pod.created_s else -(2**62),
    )


def _younger_first(at_s: int) -> float:
    return float("-inf") if at_s == 0 else -float(at_s)


def surplus_pods(state: JobState, surplus: int) -> list[PodRecord]:
    """The active pods to delete, first the ones that have to go whatever the numbers are.

    Indexed: pods without index or beyond completions all go, of several with one index all but the most valuable;
    then, while the surplus is larger, others by rank and not by index.
    """
    must = _mandatory(state)
    if surplus <= len(must):
        return must
    chosen = {pod.uid for pod in must}
    others = (pod for pod in active_pods(state) if pod.uid not in chosen)
    return must + nsmallest(surplus - len(must), others, key=_rank)


def active_pods(state: JobState) -> list[PodRecord]:
    """The Job's own pods that are neither ended nor terminating, in order of first sight."""
    if not state.tally.active:
        return []
    return [p for p in state.pods.values() if p.owned and p.matches and p.standing == Standing.ACTIVE]


def _mandatory(state: JobState) -> list[PodRecord]:
    if not state.indexed:
        return []
    tally, limit = state.tally, state.spec.completions or 0
    # The common case costs nothing: every active pod holds a valid index of its own.
    if len(tally.holders) == tally.active:
        return []
    must: list[PodRecord] = []
    by_index: dict[int, list[PodRecord]] = {}
    for pod in active_pods(state):
        if 0 <= pod.index < limit:
            by_index.setdefault(pod.index, []).append(pod)
        else:
            must.append(pod)
    for index in sorted(by_index):
        must += sorted(by_index[index], key=_rank)[:-1]
    return must

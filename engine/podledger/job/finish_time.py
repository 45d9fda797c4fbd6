"""When a pod finished, for back-off: the first of four times that is usable, as upstream."""

from podledger.api.pod import ContainerStatus, Pod
from podledger.job.times import to_seconds

__all__ = ["finish_time", "sidecar_names"]


def finish_time(pod: Pod) -> int:
    """Unix seconds: latest end of its containers, else Ready turned False, else deletion request, else creation."""
    ended = _containers_ended(pod)
    if ended:
        return ended
    ready = pod.status.condition("Ready")
    if ready is not None and ready.status == "False" and ready.last_transition_time is not None:
        return to_seconds(ready.last_transition_time)
    meta = pod.metadata
    if meta.deletion_timestamp is not None:
        return to_seconds(meta.deletion_timestamp) - (meta.deletion_grace_period_seconds or 0)
    return to_seconds(meta.creation_timestamp)


def sidecar_names(pod: Pod) -> frozenset[str]:
    """The names of restartable init containers."""
    init = pod.spec.base.get("initContainers") or ()
    return frozenset(c["name"] for c in init if c.get("restartPolicy") == "Always")


def _containers_ended(pod: Pod) -> int:
    """The latest finishedAt of regular and sidecar containers; 0 where that gives no usable time.

    A regular container that has not ended voids the regular part; a sidecar that has not ended voids all.
    """
    status = pod.status
    latest = 0
    if status.init_container_statuses:
        sidecars = sidecar_names(pod)
        for container in status.init_container_statuses:
            if container.name not in sidecars:
                continue
            at = _ended_at(container)
            if not at:
                return 0
            latest = max(latest, at)
    regular = 0
    for container in status.container_statuses:
        if container.state.terminated is None:
            return latest
        regular = max(regular, _ended_at(container))
    return max(latest, regular)


def _ended_at(container: ContainerStatus) -> int:
    ended = container.state.terminated
    return 0 if ended is None else to_seconds(ended.finished_at)

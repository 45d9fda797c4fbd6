"""Which container's log is meant, and which of its runs: decided from the pod alone, refused in Kubernetes' words."""

from typing import Final, NamedTuple

from podledger.api.pod import ContainerStatus, Pod
from podledger_adapters.store.api_error import ApiError

__all__ = ["ContainerRun", "container_of", "run_of"]

PULL_REASONS: Final = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class ContainerRun(NamedTuple):
    """A run of a container: its restartCount, and whether it is over, so that there is nothing to follow."""

    attempt: int
    over: bool


def container_of(pod: Pod, wanted: str) -> str:
    """The container that is meant, by default the pod's only one. Raises ApiError (BadRequest)."""
    base, name = pod.spec.base, pod.metadata.name
    regular = [container["name"] for container in base.get("containers", ())]
    every = [*(container["name"] for container in base.get("initContainers", ())), *regular]
    if wanted and wanted not in every:
        raise ApiError(400, "BadRequest", f"container {wanted} is not valid for pod {name}")
    if not wanted and len(regular) != 1:
        listed = " ".join(every)
        why = f"a container name must be specified for pod {name}, choose one of: [{listed}]"
        raise ApiError(400, "BadRequest", why)
    return wanted or regular[0]


def run_of(pod: Pod, container: str, *, previous: bool) -> ContainerRun:
    """The run whose log is meant: the present one, the last one where it waits to be restarted, or the one before.

    Raises ApiError (BadRequest) where there is none.
    """
    status = _status_of(pod, container)
    what = f'container "{container}" in pod "{pod.metadata.name}"'
    if status is None:
        raise ApiError(400, "BadRequest", f"{what} is not available")
    present, last = status.state, status.last_state.terminated
    waits = present.running is None and present.terminated is None
    if previous and last is None:
        raise ApiError(400, "BadRequest", f"previous terminated {what} not found")
    if waits and last is not None:
        return ContainerRun(status.restart_count, over=True)
    if previous:
        return ContainerRun(status.restart_count - 1, over=True)
    if waits and present.waiting is None:
        raise ApiError(400, "BadRequest", f"{what} is waiting to start - no logs yet")
    if waits and present.waiting is not None:
        reason = PULL_REASONS.get(present.waiting.reason, present.waiting.reason)
        raise ApiError(400, "BadRequest", f"{what} is waiting to start: {reason}")
    return ContainerRun(status.restart_count, over=present.terminated is not None)


def _status_of(pod: Pod, container: str) -> ContainerStatus | None:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next((status for status in statuses if status.name == container), None)

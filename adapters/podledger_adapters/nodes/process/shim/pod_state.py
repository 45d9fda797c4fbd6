"""state.json: what became of a pod, as its shim records it; the node makes the pod's status of it (`process.status`).

Standard library only, as all of the shim. All times are Unix seconds.
"""

from typing import TypedDict

__all__ = ["Attempt", "ContainerState", "Notice", "PodState"]


class Attempt(TypedDict):
    """One run of a container that ended. Times are Unix seconds; `started_at` 0 for one that could not start."""

    exit_code: int
    reason: str
    message: str
    started_at: float
    finished_at: float
    container_id: str


class ContainerState(TypedDict):
    """A container as of now. `state` is waiting, created (about to be started), running or terminated.

    `started` and `ready` are what the probes say of a running one; without probes both hold as soon as it runs.
    `ready_at` is when `ready` last changed.
    """

    name: str
    state: str
    reason: str
    message: str
    restarts: int
    container_id: str
    started_at: float
    terminated: Attempt | None
    last: Attempt | None
    started: bool
    ready: bool
    ready_at: float


class Notice(TypedDict):
    """Something to tell people, as a Kubernetes Event of the pod. `number` counts them; `type` is Normal or Warning."""

    number: int
    at: float
    container: str
    type: str
    reason: str
    message: str


class PodState(TypedDict):
    """state.json. `done`: all is over and `reason` and `message` are the pod's, empty where containers decide.

    `restarting_all`: the pod is being started anew from its init containers (RestartAllContainers); None: it never was.
    `notices` are the last ones.
    """

    format: int
    shim: int
    started_at: float
    done: bool
    finished_at: float
    reason: str
    message: str
    init_containers: list[ContainerState]
    containers: list[ContainerState]
    restarting_all: bool | None
    notices: list[Notice]

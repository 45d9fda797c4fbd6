"""How the record of a pod is closed, by the shim at its end or by the node in place of a shim that is gone.

The rules are those of the kubelet's status manager (TerminatePod): of a pod that got through its init containers,
each container without a known end counts as failed.
"""

from .pod_spec import FORMAT, ContainerSpec, ShimSpec
from .pod_state import Attempt, ContainerState, PodState

__all__ = ["close", "lost_state", "new_container_state", "new_state", "none_ran", "terminate"]

UNKNOWN_CODE = 137
UNKNOWN_REASON = "ContainerStatusUnknown"
UNKNOWN_MESSAGE = "The container could not be located when the pod was terminated"


def new_container_state(name: str) -> ContainerState:
    """A container that never ran."""
    return {
        "name": name,
        "state": "waiting",
        "reason": "",
        "message": "",
        "restarts": 0,
        "container_id": "",
        "started_at": 0.0,
        "terminated": None,
        "last": None,
        "started": False,
        "ready": False,
        "ready_at": 0.0,
    }


def new_state(spec: ShimSpec, shim: int, now: float) -> PodState:
    """A pod of which nothing ran yet."""
    return {
        "format": FORMAT,
        "shim": shim,
        "started_at": now,
        "done": False,
        "finished_at": 0.0,
        "reason": "",
        "message": "",
        "init_containers": [new_container_state(each["name"]) for each in spec["init_containers"]],
        "containers": [new_container_state(each["name"]) for each in spec["containers"]],
        "restarting_all": None,
        "notices": [],
    }


def none_ran(spec: ShimSpec, reason: str, message: str, now: float) -> PodState:
    """The closed record of a pod that could not be run at all: Failed for this reason."""
    state = new_state(spec, 0, now)
    state["done"], state["finished_at"] = True, now
    state["reason"], state["message"] = reason, message
    return state


def lost_state(spec: ShimSpec, now: float) -> PodState:
    """A pod that began and whose record is damaged: nothing is known of any of its containers."""
    state = new_state(spec, 0, now)
    for each in (*state["init_containers"], *state["containers"]):
        each["state"] = "created"
    return state


def terminate(state: ContainerState, code: int, reason: str, message: str, started: float, now: float) -> None:
    """Record a container's end."""
    end: Attempt = {
        "exit_code": code,
        "reason": reason,
        "message": message,
        "started_at": started,
        "finished_at": now,
        "container_id": state["container_id"],
    }
    state["state"], state["reason"], state["message"] = "terminated", "", ""
    state["terminated"] = end
    state["started"] = state["ready"] = False


def close(spec: ShimSpec, state: PodState, now: float) -> None:
    """Nothing of the pod runs any more: give every container its end, and close the record."""
    pairs = [*zip(spec["init_containers"], state["init_containers"], strict=True)]
    initialized = all(_through(container, each) for container, each in pairs)
    for each in (*state["init_containers"], *state["containers"]):
        if each["state"] == "terminated":
            continue
        if each["state"] == "waiting" and each["last"] is not None:
            # It waited for a restart that will not come: its last end is its end.
            each["state"], each["terminated"], each["last"] = "terminated", each["last"], None
            each["reason"] = each["message"] = ""
        elif initialized or each["state"] != "waiting":
            terminate(each, UNKNOWN_CODE, UNKNOWN_REASON, UNKNOWN_MESSAGE, each["started_at"], now)
    state["done"], state["finished_at"] = True, now


def _through(spec: ContainerSpec, state: ContainerState) -> bool:
    end = state["terminated"]
    if spec["sidecar"]:
        return state["container_id"] != ""
    return end is not None and end["exit_code"] == 0

"""What the shim recorded, as the status a kubelet reports: phase, conditions, container statuses. Pure.

Phases follow the kubelet's getPhase, conditions its status manager (GenerateContainersReadyCondition and others), as
of Kubernetes 1.36. Times are whole seconds, as the API has them.
"""

from datetime import UTC, datetime

from podledger.api import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    PodCondition,
    PodStatus,
)
from podledger_adapters.nodes.process.shim.pod_spec import ContainerSpec as ShimContainer
from podledger_adapters.nodes.process.shim.pod_spec import ShimSpec
from podledger_adapters.nodes.process.shim.pod_state import Attempt, PodState
from podledger_adapters.nodes.process.shim.pod_state import ContainerState as ShimContainerState
from podledger_adapters.nodes.process.shim.restart import RESTARTED_REASON

__all__ = ["pod_status"]

_Pair = tuple[ShimContainer, ShimContainerState]


def pod_status(spec: ShimSpec, state: PodState, host_ip: str) -> PodStatus:
    """The status of a pod that its shim recorded something about."""
    init = list(zip(spec["init_containers"], state["init_containers"], strict=True))
    main = list(zip(spec["containers"], state["containers"], strict=True))
    phase = _phase(spec, state, init, main)
    initialized = _initialized(init, main)
    return PodStatus(
        observed_generation=1,
        phase=phase,
        conditions=_conditions(state, phase, init, main),
        reason=state["reason"],
        message=state["message"],
        host_ip=host_ip,
        host_ips=[{"ip": host_ip}],
        pod_ip=host_ip,
        pod_ips=[{"ip": host_ip}],
        start_time=_time(state["started_at"]),
        init_container_statuses=tuple(_container_status(each, "PodInitializing", init=True) for each in init),
        container_statuses=tuple(
            _container_status(each, "ContainerCreating" if initialized else "PodInitializing") for each in main
        ),
        qos_class=spec["qos_class"],
    )


def _initialized(init: list[_Pair], main: list[_Pair]) -> bool:
    """Whether all init containers are through, as they were if any other has begun since."""
    return any(_has_begun(state) for _, state in main) or all(map(_is_through, init))


def _has_begun(state: ShimContainerState) -> bool:
    """Whether it ran, since all containers were restarted if they were."""
    return state["state"] in ("running", "terminated") or (
        state["last"] is not None and state["last"]["reason"] != RESTARTED_REASON
    )


def _is_through(pair: _Pair) -> bool:
    """Whether an init container lets the next one begin: a sidecar once it has started."""
    spec, state = pair
    if spec["sidecar"]:
        return state["started"] or state["state"] == "terminated"
    return state["terminated"] is not None and state["terminated"]["exit_code"] == 0


def _phase(spec: ShimSpec, state: PodState, init: list[_Pair], main: list[_Pair]) -> str:
    if state["done"]:
        if state["reason"] or not _initialized(init, main):
            return "Failed"
        ends = [container["terminated"] for _, container in main]
        return "Succeeded" if all(end is not None and end["exit_code"] == 0 for end in ends) else "Failed"
    if state["restarting_all"] is not None:
        # It ran before, and a phase does not go back.
        return "Running"
    if not _initialized(init, main):
        return "Pending"
    if any(container["state"] in ("waiting", "created") and container["last"] is None for _, container in main):
        return "Pending"
    return "Running"


def _conditions(state: PodState, phase: str, init: list[_Pair], main: list[_Pair]) -> tuple[PodCondition, ...]:
    begun, changed = state["started_at"], _last_change(state)
    incomplete = [pair[1]["name"] for pair in init if not _is_through(pair)]
    if incomplete and not _initialized(init, main):
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialized = _condition("Initialized", "False", begun, "ContainersNotInitialized", message)
    else:
        reason = "PodCompleted" if phase == "Succeeded" else ""
        initialized = _condition("Initialized", "True", _initialized_at(state, init), reason)
    ready_reason, message = _unready(phase, init, main)
    ready = "False" if ready_reason else "True"
    sandbox = ("False", changed) if state["done"] else ("True", begun)
    restarting = state["restarting_all"]
    return (
        _condition("PodReadyToStartContainers", *sandbox),
        initialized,
        _condition("Ready", ready, changed, ready_reason, message),
        _condition("ContainersReady", ready, changed, ready_reason, message),
        _condition("PodScheduled", "True", begun),
        *(() if restarting is None else (_condition("AllContainersRestarting", str(restarting), changed),)),
    )


def _unready(phase: str, init: list[_Pair], main: list[_Pair]) -> tuple[str, str]:
    """Reason and message of Ready False; both empty for a pod that is ready."""
    if phase == "Succeeded":
        return "PodCompleted", ""
    if phase == "Failed":
        return "PodFailed", ""
    unready = [each["name"] for spec, each in init if spec["sidecar"] and not each["ready"]]
    unready += [each["name"] for _, each in main if not each["ready"]]
    if unready:
        return "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return "", ""


def _condition(type_: str, status: str, at: float, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(
        type=type_, status=status, observed_generation=1, last_transition_time=_time(at), reason=reason, message=message
    )


def _initialized_at(state: PodState, init: list[_Pair]) -> float:
    times = [state["started_at"]]
    for _, container in init:
        end = container["terminated"]
        times.append(container["started_at"] if end is None else end["finished_at"])
    return max(times)


def _last_change(state: PodState) -> float:
    """When readiness last changed: the latest start or end of any container."""
    times = [state["started_at"], state["finished_at"]]
    for container in (*state["init_containers"], *state["containers"]):
        times += [container["started_at"], container["ready_at"]]
        for end in (container["terminated"], container["last"]):
            if end is not None:
                times.append(end["finished_at"])
    return max(times)


def _container_status(pair: _Pair, waiting_reason: str, *, init: bool = False) -> ContainerStatus:
    spec, state = pair
    end, last, running = state["terminated"], state["last"], state["state"] == "running"
    shown: ContainerState
    if end is not None:
        shown = ContainerState(terminated=_ended(end))
    elif running:
        shown = ContainerState(running=ContainerStateRunning(started_at=_time(state["started_at"])))
    else:
        reason = state["reason"] or waiting_reason
        shown = ContainerState(waiting=ContainerStateWaiting(reason=reason, message=state["message"]))
    return ContainerStatus(
        name=state["name"],
        state=shown,
        last_state=ContainerState() if last is None else ContainerState(terminated=_ended(last)),
        # An init container is ready once it is through.
        ready=state["ready"] or (init and end is not None and end["exit_code"] == 0),
        restart_count=state["restarts"],
        image=spec["image"],
        container_id=_container_id(state["container_id"]),
        started=state["started"],
    )


def _ended(end: Attempt) -> ContainerStateTerminated:
    return ContainerStateTerminated(
        exit_code=end["exit_code"],
        reason=end["reason"],
        message=end["message"],
        started_at=_time(end["started_at"]),
        finished_at=_time(end["finished_at"]),
        container_id=_container_id(end["container_id"]),
    )


def _container_id(id_: str) -> str:
    return f"process://{id_}" if id_ else ""


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)

"""The cells of a pod: what its status comes to in one word, how many of its containers are ready, restarts.

The rules are those of Kubernetes' printer (1.36): https://kubernetes.io/docs/reference/kubectl/#output-options shows
their results.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from podledger_adapters.server.tables.cells import Cell, since

__all__ = ["pod_cells", "pod_row_conditions"]

Document = Mapping[str, Any]

NONE: Final = "<none>"
FINISHED: Final = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}


class Seen(Struct):
    """What the containers come to while they are gone through."""

    reason: str
    ready: int = 0
    restarts: int = 0
    restarted_at: str = ""
    running: bool = False
    failed: str = ""
    """Why a container ended with another code than 0."""

    def restarted(self, status: Document) -> None:
        """Count a container's restarts."""
        self.restarts += status.get("restartCount", 0)
        finished = status.get("lastState", {}).get("terminated", {}).get("finishedAt") or ""
        self.restarted_at = max(self.restarted_at, finished)


def pod_row_conditions(document: Document) -> list[dict[str, str]] | None:
    """The conditions of the row of a pod that has ended, else None."""
    phase = document.get("status", {}).get("phase", "")
    if phase not in FINISHED:
        return None
    return [{"type": "Completed", "status": "True", "reason": phase, "message": FINISHED[phase]}]


def pod_cells(document: Document, now_s: float) -> Sequence[Cell]:
    """Of a Pod."""
    metadata, spec, status = (document.get(part, {}) for part in ("metadata", "spec", "status"))
    seen = _seen(document)
    sidecars = sum(1 for container in spec.get("initContainers", ()) if container.get("restartPolicy") == "Always")
    total = len(spec.get("containers", ())) + sidecars
    restarts = str(seen.restarts)
    if seen.restarts and seen.restarted_at:
        restarts += f" ({since(seen.restarted_at, now_s)} ago)"
    addresses = status.get("podIPs", ())
    return (
        metadata.get("name", ""),
        f"{seen.ready}/{total}",
        seen.reason,
        restarts,
        since(metadata.get("creationTimestamp"), now_s),
        (addresses[0].get("ip") if addresses else status.get("podIP")) or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    )


def _seen(document: Document) -> Seen:
    spec, status = document.get("spec", {}), document.get("status", {})
    seen = Seen(status.get("reason") or status.get("phase", ""))
    scheduled = _condition(status, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "SchedulingGated":
        seen.reason = "SchedulingGated"
    initializing = _init_containers(spec, status, seen)
    initialized = _condition(status, "Initialized") or {}
    if not initializing or initialized.get("status") == "True":
        _containers(status, seen)
        if seen.reason == "Completed":
            ready = (_condition(status, "Ready") or {}).get("status") == "True"
            if seen.running and ready:
                seen.reason = "Running"
            elif seen.failed:
                seen.reason = seen.failed
            elif seen.running:
                seen.reason = "NotReady"
    if document.get("metadata", {}).get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            seen.reason = "Unknown"
        elif status.get("phase") not in FINISHED:
            seen.reason = "Terminating"
    return seen


def _init_containers(spec: Document, status: Document, seen: Seen) -> bool:
    """Whether an init container is what the pod waits for; its state is the reason then."""
    declared = spec.get("initContainers", ())
    sidecars = {container.get("name") for container in declared if container.get("restartPolicy") == "Always"}
    sidecar_restarts = Seen("")
    waits = False
    for number, container in enumerate(status.get("initContainerStatuses", ())):
        seen.restarted(container)
        sidecar = container.get("name") in sidecars
        if sidecar:
            sidecar_restarts.restarted(container)
        state = container.get("state", {})
        ended, waiting = state.get("terminated"), _waiting_reason(state)
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if sidecar and container.get("started"):
            seen.ready += bool(container.get("ready"))
            continue
        if ended is not None:
            seen.reason = "Init:" + _ended_reason(ended)
        elif waiting and waiting != "PodInitializing":
            seen.reason = "Init:" + waiting
        else:
            seen.reason = f"Init:{number}/{len(declared)}"
        waits = True
        break
    initialized = (_condition(status, "Initialized") or {}).get("status") == "True"
    if not waits or initialized:
        # From here on the restarts are those of what still runs.
        seen.restarts, seen.restarted_at = sidecar_restarts.restarts, sidecar_restarts.restarted_at
    return waits


def _containers(status: Document, seen: Seen) -> None:
    """The regular containers, the last first, so that the state of the first is what remains."""
    for container in reversed(status.get("containerStatuses", ())):
        seen.restarted(container)
        state = container.get("state", {})
        ended, waiting = state.get("terminated"), _waiting_reason(state)
        if waiting:
            seen.reason = waiting
        elif ended is not None:
            seen.reason = _ended_reason(ended)
            if ended.get("exitCode", 0) != 0:
                seen.failed = seen.reason
        elif container.get("ready") and state.get("running") is not None:
            seen.running = True
            seen.ready += 1


def _waiting_reason(state: Document) -> str:
    waiting: Document = state.get("waiting") or {}
    return str(waiting.get("reason", ""))


def _ended_reason(ended: Document) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _condition(status: Document, type_: str) -> Document | None:
    return next((one for one in status.get("conditions", ()) if one.get("type") == type_), None)


def _gates(spec: Document, status: Document) -> str:
    gates = spec.get("readinessGates", ())
    if not gates:
        return NONE
    true = sum((_condition(status, gate.get("conditionType", "")) or {}).get("status") == "True" for gate in gates)
    return f"{true}/{len(gates)}"

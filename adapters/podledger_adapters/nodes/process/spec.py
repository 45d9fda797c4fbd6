"""From a pod to what its shim is told: every name resolved, nothing left to look up. Pure but for what is passed in.

Assumes a pod that `check` found nothing against; what only the running machine can refuse is found by the shim.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from podledger.api import Pod
from podledger.api.quantity import Quantity
from podledger_adapters.nodes.process.environment import NodeFacts, container_env, expand
from podledger_adapters.nodes.process.shim.record import FORMAT, ContainerSpec, Mount, ShimSpec, Volume

__all__ = ["DEFAULT_GRACE_S", "NodeSettings", "shim_spec"]

DEFAULT_GRACE_S = 30
"""terminationGracePeriodSeconds where the pod has none."""


class NodeSettings(Struct, frozen=True):
    """What all pods of a node have in common. `environment` is the base that a pod's own env goes on top of."""

    facts: NodeFacts
    environment: Mapping[str, str]
    working_dir: str
    survive: bool


def shim_spec(pod: Pod, settings: NodeSettings, volumes_path: str) -> ShimSpec:
    """What to run. `volumes_path` is where the pod's emptyDir volumes are made."""
    base = pod.spec.base
    grace = base.get("terminationGracePeriodSeconds")
    deadline = base.get("activeDeadlineSeconds")
    return {
        "format": FORMAT,
        "uid": pod.metadata.uid,
        "namespace": pod.metadata.namespace,
        "name": pod.metadata.name,
        "qos_class": pod.status.qos_class,
        "restart_policy": pod.spec.restart_policy,
        "grace_s": float(DEFAULT_GRACE_S if grace is None else grace),
        "deadline_s": None if deadline is None else float(deadline),
        "survive": settings.survive,
        "volumes": [_volume(each, volumes_path) for each in base.get("volumes") or ()],
        "init_containers": [_container(pod, each, settings) for each in base.get("initContainers") or ()],
        "containers": [_container(pod, each, settings) for each in base.get("containers") or ()],
    }


def _container(pod: Pod, container: Mapping[str, Any], settings: NodeSettings) -> ContainerSpec:
    env = container_env(pod, container, settings.facts)
    limits = (container.get("resources") or {}).get("limits") or {}
    security = {**(pod.spec.base.get("securityContext") or {}), **(container.get("securityContext") or {})}
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    return {
        "name": container["name"],
        "image": container.get("image") or "",
        "argv": [expand(word, env) for word in words],
        # A container runtime sets HOSTNAME too; the pod's own env has the last word.
        "env": {**settings.environment, "HOSTNAME": pod.spec.hostname or pod.metadata.name, **env},
        "cwd": container.get("workingDir") or settings.working_dir,
        "sidecar": container.get("restartPolicy") == "Always",
        "mounts": [_mount(each, env) for each in container.get("volumeMounts") or ()],
        "memory": None if "memory" not in limits else int(Quantity.parse(str(limits["memory"])).value),
        "cpu": None if "cpu" not in limits else float(Quantity.parse(str(limits["cpu"])).value),
        "user": security.get("runAsUser"),
        "group": security.get("runAsGroup"),
        "no_new_privileges": security.get("allowPrivilegeEscalation") is False,
    }


def _mount(mount: Mapping[str, Any], env: Mapping[str, str]) -> Mount:
    return {
        "volume": mount["name"],
        "inside": mount.get("subPath") or expand(mount.get("subPathExpr") or "", env),
        "target": mount["mountPath"],
        "read_only": bool(mount.get("readOnly")),
    }


def _volume(volume: Mapping[str, Any], volumes_path: str) -> Volume:
    name = volume["name"]
    if host := volume.get("hostPath"):
        return {"name": name, "kind": host.get("type") or "", "path": host["path"], "memory": False, "size": None}
    empty = volume.get("emptyDir") or {}
    size = empty.get("sizeLimit")
    return {
        "name": name,
        "kind": "emptyDir",
        "path": f"{volumes_path}/{name}",
        "memory": empty.get("medium") == "Memory",
        "size": None if size is None else int(Quantity.parse(str(size)).value),
    }

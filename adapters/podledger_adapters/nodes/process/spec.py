"""From a pod to what its shim is told: every name resolved, nothing left to look up. Pure but for what is passed in.

Assumes a pod that `check` found nothing against; what only the running machine can refuse is found by the shim.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from podledger.api import Pod
from podledger.api.quantity import Quantity
from podledger_adapters.nodes.process.environment import NodeFacts, container_env, expand
from podledger_adapters.nodes.process.handler import hook_actions, probe_spec, restart_rules
from podledger_adapters.nodes.process.model import (
    Container,
    EmptyDir,
    ProcessPodSpec,
    Resources,
    SecurityContext,
    Volume,
    VolumeMount,
    read_pod_spec,
)
from podledger_adapters.nodes.process.shim.pod_spec import EMPTY_DIR, FORMAT, ContainerSpec, Mount, ShimSpec
from podledger_adapters.nodes.process.shim.pod_spec import Volume as ShimVolume

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
    """What to run. `volumes_path` is where the pod's emptyDir volumes are made. Raises InputError."""
    spec = read_pod_spec(pod.spec.base)
    grace, deadline = spec.termination_grace_period_seconds, spec.active_deadline_seconds
    return {
        "format": FORMAT,
        "uid": pod.metadata.uid,
        "namespace": pod.metadata.namespace,
        "name": pod.metadata.name,
        "qos_class": pod.status.qos_class,
        "grace_s": float(DEFAULT_GRACE_S if grace is None else grace),
        "deadline_s": None if deadline is None else float(deadline),
        "survive": settings.survive,
        "volumes": [_volume(each, volumes_path) for each in spec.volumes or ()],
        "init_containers": [_container(pod, spec, each, settings, init=True) for each in spec.init_containers or ()],
        "containers": [_container(pod, spec, each, settings) for each in spec.containers],
    }


def _container(
    pod: Pod, spec: ProcessPodSpec, container: Container, settings: NodeSettings, *, init: bool = False
) -> ContainerSpec:
    env = container_env(pod, spec, container, settings.facts)
    limits = (container.resources or Resources()).limits or {}
    of_pod, own = spec.security_context or SecurityContext(), container.security_context or SecurityContext()
    post_start, pre_stop = hook_actions(container)
    words = [*(container.command or ()), *(container.args or ())]
    return {
        "name": container.name,
        "image": container.image,
        "argv": [expand(word, env) for word in words],
        # A container runtime sets HOSTNAME too; the pod's own env has the last word.
        "env": {**settings.environment, "HOSTNAME": pod.spec.hostname or pod.metadata.name, **env},
        "cwd": container.working_dir or settings.working_dir,
        "restart_policy": container.restart_policy or pod.spec.restart_policy,
        "restart_rules": restart_rules(container.restart_policy_rules),
        "startup": probe_spec(container, container.startup_probe),
        "liveness": probe_spec(container, container.liveness_probe),
        "readiness": probe_spec(container, container.readiness_probe),
        "post_start": post_start,
        "pre_stop": pre_stop,
        "sidecar": init and container.restart_policy == "Always",
        "mounts": [_mount(each, env) for each in container.volume_mounts or ()],
        "memory": int(_value(limits["memory"])) if "memory" in limits else None,
        "cpu": float(_value(limits["cpu"])) if "cpu" in limits else None,
        "user": of_pod.run_as_user if own.run_as_user is None else own.run_as_user,
        "group": of_pod.run_as_group if own.run_as_group is None else own.run_as_group,
        "message_from_log": container.termination_message_policy == "FallbackToLogsOnError",
        "no_new_privileges": own.allow_privilege_escalation is False,
    }


def _mount(mount: VolumeMount, env: Mapping[str, str]) -> Mount:
    return {
        "volume": mount.name,
        "inside": mount.sub_path or expand(mount.sub_path_expr, env),
        "target": mount.mount_path,
        "read_only": bool(mount.read_only),
    }


def _volume(volume: Volume, volumes_path: str) -> ShimVolume:
    if host := volume.host_path:
        return {"name": volume.name, "kind": host.type or "", "path": host.path, "memory": False, "size": None}
    empty = volume.empty_dir or EmptyDir()
    return {
        "name": volume.name,
        "kind": EMPTY_DIR,
        "path": f"{volumes_path}/{volume.name}",
        "memory": empty.medium == "Memory",
        "size": None if empty.size_limit is None else int(_value(empty.size_limit)),
    }


def _value(quantity: str | float) -> Decimal:
    return Quantity.parse(str(quantity)).value

"""v1 Pod: metadata, a spec that pods of one template share, and the status that a kubelet reports.

A pod is what podledger has most of, so its spec is split: `base` is the JSON mapping that all pods of one template
share, beside it stand the two fields that differ from pod to pod. The full JSON is made when someone asks for it
(`podledger.api.document`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import field

from podledger.api.meta import ApiStruct, ObjectMeta, always

__all__ = [
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "Pod",
    "PodCondition",
    "PodSpec",
    "PodStatus",
]


class ContainerStateWaiting(ApiStruct, frozen=True):
    """The container does not run yet, or waits to be restarted."""

    reason: str = ""
    message: str = ""


class ContainerStateRunning(ApiStruct, frozen=True):
    """The container runs since `started_at`."""

    started_at: datetime | None = always(None)


class ContainerStateTerminated(ApiStruct, frozen=True):
    """The container ended. A signal n shows as exit code 128 + n, as a kubelet reports it."""

    exit_code: int = always(0)
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = always(None)
    finished_at: datetime | None = always(None)
    container_id: str = field(default="", name="containerID")


class ContainerState(ApiStruct, frozen=True):
    """One of three is set; none means waiting."""

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(ApiStruct, frozen=True):
    """What a kubelet reports of one container."""

    name: str = always("")
    state: ContainerState = always(ContainerState())
    last_state: ContainerState = always(ContainerState())
    ready: bool = always(False)
    restart_count: int = always(0)
    image: str = always("")
    image_id: str = always("", name="imageID")
    container_id: str = field(default="", name="containerID")
    started: bool | None = None
    # Kept as they are; podledger does not use them.
    allocated_resources: Any = None
    resources: Any = None
    volume_mounts: Any = None
    user: Any = None
    allocated_resources_status: Any = None
    stop_signal: str | None = None


class PodCondition(ApiStruct, frozen=True):
    """One of status.conditions of a pod, such as Ready or DisruptionTarget."""

    type: str = always("")
    status: str = always("")
    observed_generation: int = 0
    last_probe_time: datetime | None = always(None)
    last_transition_time: datetime | None = always(None)
    reason: str = ""
    message: str = ""


class PodStatus(ApiStruct, frozen=True):
    """What became of the pod. `phase` is Pending, Running, Succeeded, Failed, Unknown or empty."""

    observed_generation: int = 0
    phase: str = ""
    conditions: tuple[PodCondition, ...] = ()
    message: str = ""
    reason: str = ""
    nominated_node_name: str = ""
    host_ip: str = field(default="", name="hostIP")
    host_ips: Any = field(default=None, name="hostIPs")
    pod_ip: str = field(default="", name="podIP")
    pod_ips: Any = field(default=None, name="podIPs")
    start_time: datetime | None = None
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    # Kept as they are; podledger does not use them.
    ephemeral_container_statuses: Any = None
    resize: str = ""
    resource_claim_statuses: Any = None
    node_allocatable_resource_claim_statuses: Any = None
    extended_resource_claim_status: Any = None
    allocated_resources: Any = None
    resources: Any = None

    def condition(self, type_: str) -> PodCondition | None:
        """The first condition of a type, or None."""
        for condition in self.conditions:
            if condition.type == type_:
                return condition
        return None


class PodSpec(ApiStruct, frozen=True):
    """How the pod runs. `base` holds every field but `hostname` and `nodeName` and must not be changed in place."""

    base: Mapping[str, Any] = {}
    hostname: str = ""
    node_name: str = ""

    @property
    def restart_policy(self) -> str:
        """spec.restartPolicy, by default Always as in Kubernetes."""
        policy = self.base.get("restartPolicy", "Always")
        return policy if isinstance(policy, str) else "Always"


class Pod(ApiStruct, frozen=True):
    """A v1 Pod."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

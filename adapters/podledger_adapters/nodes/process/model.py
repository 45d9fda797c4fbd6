"""The part of a PodSpec that this node reads, typed. What is not named here has no effect on processes, or is refused.

Decoded from the pod's JSON when the pod starts; field names and meanings are those of v1 PodSpec.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from podledger.api.meta import ApiStruct
from podledger.errors import InputError

__all__ = [
    "Container",
    "EmptyDir",
    "EnvFrom",
    "EnvSource",
    "EnvVar",
    "FieldRef",
    "Handler",
    "HostPath",
    "HttpGetAction",
    "Lifecycle",
    "OptionalRef",
    "PodOS",
    "Probe",
    "ProcessPodSpec",
    "ResourceRef",
    "Resources",
    "RestartRule",
    "SecurityContext",
    "TcpSocketAction",
    "Volume",
    "VolumeMount",
    "read_pod_spec",
]

Quantities = Mapping[str, str | int | float]


class FieldRef(ApiStruct, frozen=True):
    """ObjectFieldSelector."""

    field_path: str = ""


class ResourceRef(ApiStruct, frozen=True):
    """ResourceFieldSelector."""

    container_name: str = ""
    resource: str = ""
    divisor: str | int | float | None = None


class OptionalRef(ApiStruct, frozen=True):
    """A reference to a config map or secret, or a key of one."""

    name: str = ""
    optional: bool | None = None


class EnvSource(ApiStruct, frozen=True):
    """EnvVarSource; one is set."""

    field_ref: FieldRef | None = None
    resource_field_ref: ResourceRef | None = None
    config_map_key_ref: OptionalRef | None = None
    secret_key_ref: OptionalRef | None = None
    file_key_ref: OptionalRef | None = None


class EnvVar(ApiStruct, frozen=True):
    """One of env."""

    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class EnvFrom(ApiStruct, frozen=True):
    """EnvFromSource."""

    config_map_ref: OptionalRef | None = None
    secret_ref: OptionalRef | None = None


class VolumeMount(ApiStruct, frozen=True):
    """One of volumeMounts."""

    name: str = ""
    mount_path: str = ""
    read_only: bool | None = None
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: str | None = None


class Resources(ApiStruct, frozen=True):
    """ResourceRequirements."""

    limits: Quantities | None = None
    requests: Quantities | None = None


class SecurityContext(ApiStruct, frozen=True):
    """What is used of the security contexts of pod and container."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    allow_privilege_escalation: bool | None = None
    supplemental_groups: tuple[int, ...] | None = None
    read_only_root_filesystem: bool | None = None


class ContainerPort(ApiStruct, frozen=True):
    """One of ports: only what a probe may name it by."""

    name: str = ""
    container_port: int = 0


class ExecAction(ApiStruct, frozen=True):
    """A command in the container."""

    command: tuple[str, ...] | None = None


class HttpHeader(ApiStruct, frozen=True):
    """HTTPHeader."""

    name: str = ""
    value: str = ""


class HttpGetAction(ApiStruct, frozen=True):
    """HTTPGetAction."""

    path: str = ""
    port: int | str = 0
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[HttpHeader, ...] | None = None


class TcpSocketAction(ApiStruct, frozen=True):
    """TCPSocketAction."""

    port: int | str = 0
    host: str = ""


class SleepAction(ApiStruct, frozen=True):
    """SleepAction."""

    seconds: int = 0


class Handler(ApiStruct, frozen=True):
    """ProbeHandler and LifecycleHandler; one is set. grpc is of probes only, sleep of hooks."""

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    tcp_socket: TcpSocketAction | None = None
    grpc: Mapping[str, Any] | None = None
    sleep: SleepAction | None = None


class Probe(Handler, frozen=True):
    """Probe, with the API server's defaults."""

    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class Lifecycle(ApiStruct, frozen=True):
    """Lifecycle."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None
    stop_signal: str | None = None


class ExitCodes(ApiStruct, frozen=True):
    """ContainerRestartRuleOnExitCodes."""

    operator: str = ""
    values: tuple[int, ...] | None = None


class RestartRule(ApiStruct, frozen=True):
    """ContainerRestartRule."""

    action: str = ""
    exit_codes: ExitCodes = ExitCodes()


class Container(ApiStruct, frozen=True):
    """A container or init container."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str = ""
    env: tuple[EnvVar, ...] | None = None
    env_from: tuple[EnvFrom, ...] | None = None
    resources: Resources | None = None
    volume_mounts: tuple[VolumeMount, ...] | None = None
    volume_devices: tuple[Any, ...] | None = None
    security_context: SecurityContext | None = None
    restart_policy: str | None = None
    restart_policy_rules: tuple[RestartRule, ...] | None = None
    ports: tuple[ContainerPort, ...] | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_policy: str | None = None
    stdin: bool | None = None
    tty: bool | None = None


class HostPath(ApiStruct, frozen=True):
    """HostPathVolumeSource."""

    path: str = ""
    type: str | None = None


class EmptyDir(ApiStruct, frozen=True):
    """EmptyDirVolumeSource."""

    medium: str = ""
    size_limit: str | int | float | None = None


class Volume(ApiStruct, frozen=True):
    """A volume of the two kinds that are run."""

    name: str = ""
    host_path: HostPath | None = None
    empty_dir: EmptyDir | None = None


class PodOS(ApiStruct, frozen=True):
    """The operating system the containers are for."""

    name: str = ""


class ProcessPodSpec(ApiStruct, frozen=True):
    """The pod's spec."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    active_deadline_seconds: int | None = None
    termination_grace_period_seconds: int | None = None
    service_account_name: str | None = None
    security_context: SecurityContext | None = None
    os: PodOS | None = None


def read_pod_spec(base: Mapping[str, Any]) -> ProcessPodSpec:
    """Decode it. Raises InputError naming the field where it does not have the form the API server ensures."""
    try:
        return msgspec.convert(base, ProcessPodSpec)
    except msgspec.ValidationError as error:
        raise InputError(f"pod spec: {error}") from error

"""What stands against running one container as a process. Pure; `check` says what it is for."""

from collections.abc import Iterator

from msgspec import Struct

from podledger.api.field_error import FieldError
from podledger_adapters.nodes.process.environment import FIELDS, RESOURCES, subscript
from podledger_adapters.nodes.process.handler import port_number
from podledger_adapters.nodes.process.model import (
    Container,
    EnvVar,
    Lifecycle,
    OptionalRef,
    ProcessPodSpec,
    Resources,
    SecurityContext,
)

__all__ = ["Abilities", "container_faults", "forbidden", "required"]

_NATIVE = ("cpu", "memory", "ephemeral-storage")


class Abilities(Struct, frozen=True):
    """What a machine can do. `user` is podledger's effective user id.

    `no_mounts`: why pods cannot have mounts of their own, "" if they can.
    """

    user: int
    no_mounts: str = ""


def forbidden(field: str, message: str) -> FieldError:
    """The field must not be there."""
    return FieldError(field, "FieldValueForbidden", f"Forbidden: {message}")


def required(field: str, message: str) -> FieldError:
    """The field must be there."""
    return FieldError(field, "FieldValueRequired", f"Required value: {message}")


def container_faults(
    spec: ProcessPodSpec, container: Container, path: str, abilities: Abilities
) -> Iterator[FieldError]:
    """All of them, in the order of the fields in Kubernetes' documentation."""
    if not container.command:
        yield required(f"{path}.command", "processes have no image whose entrypoint could be run; give the command")
    yield from _env_faults(container, path)
    for name in (container.resources or Resources()).limits or {}:
        if name not in _NATIVE:
            yield forbidden(f"{path}.resources.limits[{name}]", "this node has none of it")
    if abilities.no_mounts and container.volume_mounts:
        yield forbidden(
            f"{path}.volumeMounts",
            f"{abilities.no_mounts}; leave it out and use this machine's own paths in the command",
        )
    for index, mount in enumerate(container.volume_mounts or ()):
        if mount.mount_propagation not in (None, "None"):
            yield forbidden(f"{path}.volumeMounts[{index}].mountPropagation", "processes have None only")
    if container.volume_devices:
        yield forbidden(f"{path}.volumeDevices", "processes see the devices of the machine; name them in the command")
    yield from _handler_faults(container, path)
    for field, given in (("stdin", container.stdin), ("tty", container.tty)):
        if given:
            yield forbidden(f"{path}.{field}", "not done for processes; leave it out")
    yield from _user_faults(spec, container, path, abilities)


def _handler_faults(container: Container, path: str) -> Iterator[FieldError]:
    """Of probes and hooks."""
    lifecycle = container.lifecycle or Lifecycle()
    for field, handler in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
        ("lifecycle.postStart", lifecycle.post_start),
        ("lifecycle.preStop", lifecycle.pre_stop),
    ):
        if handler is None:
            continue
        here = f"{path}.{field}"
        if handler.grpc is not None:
            yield forbidden(
                f"{here}.grpc",
                "podledger brings no gRPC client; probe with exec and a client of your own, or tcpSocket",
            )
        if handler.tcp_socket is not None and "lifecycle" in field:
            yield forbidden(f"{here}.tcpSocket", "Kubernetes has no such hook, though it knows the field; use exec")
        for kind, target in (("httpGet", handler.http_get), ("tcpSocket", handler.tcp_socket)):
            if target is not None and port_number(container, target.port) is None:
                yield forbidden(
                    f"{here}.{kind}.port",
                    f"the container names no port {target.port!r}; add it to ports, or give the number",
                )
    if lifecycle.stop_signal:
        yield forbidden(
            f"{path}.lifecycle.stopSignal",
            "off by default in Kubernetes 1.36 (ContainerStopSignals); leave it out, containers get TERM",
        )


def _env_faults(container: Container, path: str) -> Iterator[FieldError]:
    for index, source in enumerate(container.env_from or ()):
        for kind, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref)):
            yield from _reference_faults(reference, f"{path}.envFrom[{index}].{kind}")
    for index, variable in enumerate(container.env or ()):
        yield from _variable_faults(variable, f"{path}.env[{index}].valueFrom")


def _variable_faults(variable: EnvVar, path: str) -> Iterator[FieldError]:
    source = variable.value_from
    if source is None:
        return
    if source.field_ref is not None:
        named = source.field_ref.field_path
        if named not in FIELDS and subscript(named) is None:
            yield forbidden(f"{path}.fieldRef.fieldPath", f"{named} is not known; give the value in `value`")
    if source.resource_field_ref is not None and source.resource_field_ref.resource not in RESOURCES:
        yield forbidden(
            f"{path}.resourceFieldRef.resource",
            f"{source.resource_field_ref.resource} is not limited here; give the value in `value`",
        )
    for kind, reference in (
        ("configMapKeyRef", source.config_map_key_ref),
        ("secretKeyRef", source.secret_key_ref),
        ("fileKeyRef", source.file_key_ref),
    ):
        yield from _reference_faults(reference, f"{path}.{kind}")


def _reference_faults(reference: OptionalRef | None, path: str) -> Iterator[FieldError]:
    if reference is not None and not reference.optional:
        yield forbidden(
            path, f"there is no {reference.name!r} here; pass variables with --env NAME, or mark it optional"
        )


def _user_faults(spec: ProcessPodSpec, container: Container, path: str, abilities: Abilities) -> Iterator[FieldError]:
    of_pod, own = spec.security_context or SecurityContext(), container.security_context or SecurityContext()
    user = of_pod.run_as_user if own.run_as_user is None else own.run_as_user
    group = of_pod.run_as_group if own.run_as_group is None else own.run_as_group
    non_root = of_pod.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root
    if abilities.user != 0:
        if user not in (None, abilities.user):
            yield forbidden(
                f"{path}.securityContext.runAsUser", f"podledger runs as {abilities.user}; only root can change that"
            )
        if group is not None:
            yield forbidden(f"{path}.securityContext.runAsGroup", "only root can change it; leave it out")
    if non_root and (abilities.user if user is None else user) == 0:
        yield forbidden(
            f"{path}.securityContext.runAsNonRoot",
            "podledger runs as root, and so would this container; set runAsUser, or run podledger as somebody else",
        )

"""What the process node cannot run, found before anything is submitted, and what it runs without using.

It takes a pod spec that Kubernetes would accept and says where this node would not do as told: a container without
command, a volume of a kind that there is none of here, and so on. Each fault names the field and the way out.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from podledger.api.field_error import FieldError
from podledger_adapters.nodes.process.check_container import Abilities, container_faults, forbidden
from podledger_adapters.nodes.process.host import this_machine
from podledger_adapters.nodes.process.model import ProcessPodSpec, read_pod_spec
from podledger_adapters.nodes.process.shim import cgroup

__all__ = ["Abilities", "check_pod_spec", "remarks", "unmet_limits"]

_VOLUME_KINDS = ("hostPath", "emptyDir")

_UNUSED_OF_POD = (
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "imagePullSecrets",
    "nodeSelector",
    "overhead",
    "priorityClassName",
    "resources",
    "runtimeClassName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "topologySpreadConstraints",
)
_UNUSED_OF_CONTAINER = ("resizePolicy",)
_UNUSED_OF_SECURITY = (
    "appArmorProfile",
    "capabilities",
    "fsGroup",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "sysctls",
)
_WITHOUT_GROUP = {
    "memory": "resources.limits.memory refuses each process more memory, where Kubernetes would kill the container",
    "cpu": "resources.limits.cpu has no effect",
}
_WITHOUT_MEANING = (None, False, "", "ClusterFirst")
"""Values that ask for nothing; the last is the default of dnsPolicy."""


def check_pod_spec(base: Mapping[str, Any], path: str = "spec", abilities: Abilities | None = None) -> list[FieldError]:
    """What stands against running it as processes; empty if nothing does.

    `path` is where the spec stands in its document. `abilities` is what the machine can do; None asks this one, which
    takes a moment the first time. Raises InputError for a spec that Kubernetes would not have accepted.
    """
    spec = read_pod_spec(base)
    if abilities is None:
        abilities = this_machine(mounts=bool(spec.volumes))
    return list(_faults(base, spec, path, abilities))


def _faults(base: Mapping[str, Any], spec: ProcessPodSpec, path: str, abilities: Abilities) -> Iterator[FieldError]:
    for kind, containers in (("initContainers", spec.init_containers or ()), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            yield from container_faults(spec, container, f"{path}.{kind}[{index}]", abilities)
    volumes: list[dict[str, Any]] = base.get("volumes") or []
    for index, volume in enumerate(volumes):
        for kind in volume:
            if kind not in ("name", *_VOLUME_KINDS):
                yield forbidden(
                    f"{path}.volumes[{index}].{kind}", f"processes have volumes of {' and '.join(_VOLUME_KINDS)} only"
                )
    if base.get("ephemeralContainers"):
        yield forbidden(f"{path}.ephemeralContainers", "processes have none")
    if (system := "linux" if spec.os is None else spec.os.name) != "linux":
        yield forbidden(f"{path}.os.name", f"{system} programs do not run here")


def remarks(pod_specs: Iterable[Mapping[str, Any]], controllers: Collection[str] | None = None) -> list[str]:
    """What to say once before pods of these specs run: what has no effect, and what is not done as Kubernetes does it.

    `controllers`: for what control groups can be made; None asks this machine.
    """
    names: dict[str, None] = {}
    limited: set[str] = set()
    for base in pod_specs:
        names.update(dict.fromkeys(_unused_fields(base)))
        limited |= _limited(base)
    unmet = unmet_limits(controllers)
    first = "pods run as processes of this machine; images are not used"
    return ["".join((first, *(f", nor {name}" for name in names))), *(unmet[each] for each in unmet if each in limited)]


def unmet_limits(controllers: Collection[str] | None = None) -> dict[str, str]:
    """What becomes of limits for which no control group can be made here, by resource: nothing where they hold."""
    if controllers is None:
        controllers = cgroup.controllers()
    missing = {name: text for name, text in _WITHOUT_GROUP.items() if name not in controllers}
    return {name: f"no control group for {name} can be made here: {text}" for name, text in missing.items()}


def _limited(base: Mapping[str, Any]) -> set[str]:
    """The resources that containers are limited in."""
    found: set[str] = set()
    for kind in ("initContainers", "containers"):
        containers: list[dict[str, Any]] = base.get(kind) or []
        for container in containers:
            resources: dict[str, dict[str, Any] | None] = container.get("resources") or {}
            found |= set(resources.get("limits") or ())
    return found


def _unused_fields(base: Mapping[str, Any]) -> Iterator[str]:
    """The fields that are given and have no effect on processes: isolation, scheduling. Of containers without path."""
    yield from (name for name in _UNUSED_OF_POD if base.get(name) not in _WITHOUT_MEANING)
    yield from _unused_security(base)
    for kind in ("initContainers", "containers"):
        containers: list[dict[str, Any]] = base.get(kind) or []
        for container in containers:
            yield from (name for name in _UNUSED_OF_CONTAINER if container.get(name))
            yield from _unused_security(container)


def _unused_security(owner: Mapping[str, Any]) -> Iterator[str]:
    context: dict[str, Any] = owner.get("securityContext") or {}
    yield from (f"securityContext.{name}" for name in _UNUSED_OF_SECURITY if context.get(name))

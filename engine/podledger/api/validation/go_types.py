"""Kubernetes' internal types as its messages print them.

When a pod template or a policy may not change, the API server shows the refused value as JSON of its internal Go type:
Go's field names, every field, unset ones as their zero value. That text is for people, and clients must not read it;
what is rarely used (volume sources, probes, ...) is shown here with its set fields only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from podledger.api.field_error import GoStruct
from podledger.api.job import PodFailurePolicy, PodTemplateSpec, SuccessPolicy, UncountedTerminatedPods
from podledger.api.json_value import is_array, is_object

__all__ = [
    "internal_failure_policy",
    "internal_pod_spec",
    "internal_success_policy",
    "internal_template",
    "internal_uncounted",
]

Json = Mapping[str, Any]

# Go field names in order; `=""`, `=0` and `=false` give the zero value of what is no pointer, list or map.
POD_SPEC: Final = (
    "Volumes InitContainers Containers EphemeralContainers RestartPolicy='' TerminationGracePeriodSeconds "
    "ActiveDeadlineSeconds DNSPolicy='' NodeSelector ServiceAccountName='' AutomountServiceAccountToken NodeName='' "
    "SecurityContext ImagePullSecrets Hostname='' Subdomain='' SetHostnameAsFQDN Affinity SchedulerName='' Tolerations "
    "HostAliases PriorityClassName='' Priority PreemptionPolicy DNSConfig ReadinessGates RuntimeClassName Overhead "
    "EnableServiceLinks TopologySpreadConstraints OS SchedulingGates ResourceClaims Resources HostnameOverride "
    "SchedulingGroup"
)
SECURITY_CONTEXT: Final = (
    "HostNetwork=false HostPID=false HostIPC=false ShareProcessNamespace HostUsers SELinuxOptions WindowsOptions "
    "RunAsUser RunAsGroup RunAsNonRoot SupplementalGroups SupplementalGroupsPolicy FSGroup FSGroupChangePolicy Sysctls "
    "SeccompProfile AppArmorProfile SELinuxChangePolicy"
)
CONTAINER: Final = (
    "Name='' Image='' Command Args WorkingDir='' Ports EnvFrom Env Resources ResizePolicy RestartPolicy "
    "RestartPolicyRules VolumeMounts VolumeDevices LivenessProbe ReadinessProbe StartupProbe Lifecycle "
    "TerminationMessagePath='' TerminationMessagePolicy='' ImagePullPolicy='' SecurityContext Stdin=false "
    "StdinOnce=false TTY=false"
)
RESOURCES: Final = "Limits Requests Claims"
VARIABLE: Final = "Name='' Value='' ValueFrom"
PORT: Final = "Name='' HostPort=0 ContainerPort=0 Protocol='' HostIP=''"
MOUNT: Final = "Name='' ReadOnly=false RecursiveReadOnly MountPath='' SubPath='' MountPropagation SubPathExpr=''"
TOLERATION: Final = "Key='' Operator='' Value='' Effect='' TolerationSeconds"
ZEROS: Final[Mapping[str, object]] = {"": None, "''": "", "0": 0, "false": False}

# JSON names whose Go name is not the JSON name with a capital letter.
GO_NAMES: Final = {
    "dnsConfig": "DNSConfig",
    "dnsPolicy": "DNSPolicy",
    "fsGroup": "FSGroup",
    "fsGroupChangePolicy": "FSGroupChangePolicy",
    "os": "OS",
    "seLinuxChangePolicy": "SELinuxChangePolicy",
    "seLinuxOptions": "SELinuxOptions",
    "tty": "TTY",
}
# In the internal types these stand in the pod's security context.
HOST_FIELDS: Final = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")


def go_name(json_name: str) -> str:
    """The Go name of a field."""
    return GO_NAMES.get(json_name) or json_name[:1].upper() + json_name[1:]


def laid_out(layout: str, value: Json, **parts: Callable[[Any], object]) -> GoStruct:
    """The fields of `value` in the order of a layout; `parts` say how to show the fields that are structures."""
    named = {go_name(name): item for name, item in value.items()}
    fields = GoStruct()
    for entry in layout.split():
        name, _, zero = entry.partition("=")
        if name in named:
            fields[name] = parts.get(name, set_only)(named[name])
        else:
            fields[name] = ZEROS[zero]
    return fields


def set_only(value: object) -> object:
    """A value of which only the set fields are shown; maps of strings (labels, limits) keep their keys."""
    if is_object(value):
        if all(isinstance(item, str) for item in value.values()):
            return dict(value)
        return GoStruct({go_name(name): set_only(item) for name, item in value.items()})
    return [set_only(item) for item in value] if is_array(value) else value


def each(show: Callable[[Any], object]) -> Callable[[Any], object]:
    """Shows every item of a list."""

    def show_all(items: Sequence[Any]) -> list[object]:
        return [show(item) for item in items]

    return show_all


def internal_resources(resources: Json) -> GoStruct:
    """ResourceRequirements."""
    return laid_out(RESOURCES, resources)


def internal_container(container: Json) -> GoStruct:
    """A container; its resources are always shown."""
    return laid_out(
        CONTAINER,
        {"resources": {}, **container},
        Resources=internal_resources,
        Env=each(lambda item: laid_out(VARIABLE, item)),
        Ports=each(lambda item: laid_out(PORT, item)),
        VolumeMounts=each(lambda item: laid_out(MOUNT, item)),
    )


def internal_pod_spec(spec: Json) -> GoStruct:
    """A pod's spec."""
    host = {name: spec[name] for name in HOST_FIELDS if name in spec}
    rest = {name: item for name, item in spec.items() if name not in HOST_FIELDS}
    if host or "securityContext" in spec:
        rest["securityContext"] = {**host, **(spec.get("securityContext") or {})}
    return laid_out(
        POD_SPEC,
        rest,
        Containers=each(internal_container),
        InitContainers=each(internal_container),
        SecurityContext=lambda context: laid_out(SECURITY_CONTEXT, context),
        Tolerations=each(lambda item: laid_out(TOLERATION, item)),
        Resources=internal_resources,
    )


def internal_template(template: PodTemplateSpec) -> GoStruct:
    """A pod template: its metadata in JSON's names, then the spec."""
    fields = GoStruct()
    for name, value in (("labels", template.metadata.labels), ("annotations", template.metadata.annotations)):
        if value:
            fields[name] = dict(value)
    fields["Spec"] = internal_pod_spec(template.spec)
    return fields


def internal_failure_policy(policy: PodFailurePolicy | None) -> GoStruct | None:
    """A pod failure policy."""
    if policy is None:
        return None
    rules: list[object] = []
    for rule in policy.rules:
        codes = rule.on_exit_codes
        rules.append(
            GoStruct(
                Action=rule.action,
                OnExitCodes=None
                if codes is None
                else GoStruct(ContainerName=codes.container_name, Operator=codes.operator, Values=list(codes.values)),
                OnPodConditions=[GoStruct(Type=item.type, Status=item.status) for item in rule.on_pod_conditions]
                or None,
            )
        )
    return GoStruct(Rules=rules)


def internal_success_policy(policy: SuccessPolicy | None) -> GoStruct | None:
    """A success policy."""
    if policy is None:
        return None
    rules = [
        GoStruct(SucceededIndexes=rule.succeeded_indexes, SucceededCount=rule.succeeded_count) for rule in policy.rules
    ]
    return GoStruct(Rules=rules)


def internal_uncounted(uncounted: UncountedTerminatedPods) -> GoStruct:
    """status.uncountedTerminatedPods."""
    return GoStruct(Succeeded=list(uncounted.succeeded) or None, Failed=list(uncounted.failed) or None)

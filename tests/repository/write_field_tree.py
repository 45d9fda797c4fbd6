"""Writes engine/podledger/api/fields/fields.json, the tree of the fields Kubernetes 1.36 knows for our kinds, and
adapters/podledger_adapters/server/openapi/required.json: which of them are required. Names and types only: what fields
mean is said in our own words, in openapi/descriptions/.

Run it in an environment of its own that has the official Python client of that release, by hand, when podledger moves
to another Kubernetes release:

    python -m venv /tmp/client && /tmp/client/bin/pip install 'kubernetes==36.*'
    /tmp/client/bin/python tests/repository/write_field_tree.py

The client's models say which fields there are and which are objects, lists and maps. What they leave out (the client
knows one `int` and one `str`) stands in the tables below, taken from the documented Go types of k8s.io/api.

Notation of a type in the file: `int32 int64 bool string Time MicroTime Quantity IntOrString any`, the name of
another type of the file, `[]T` or `map[]T`. A leading `*` marks a scalar that may be set to its zero value on purpose
(a pointer in Go, or a field that is always written); without it Kubernetes drops a zero value.
"""

import importlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOTS = (
    "V1Job", "V1CronJob", "V1Pod", "CoreV1Event", "V1Namespace", "V1Lease",
    "V1Binding", "V1Eviction", "V1DeleteOptions", "V1SelfSubjectAccessReview", "V1Status", "V1ListMeta",
)  # fmt: skip
ROOT = Path(__file__).parents[2]
OUT = ROOT / "engine" / "podledger" / "api" / "fields" / "fields.json"
REQUIRED_OUT = ROOT / "adapters" / "podledger_adapters" / "server" / "openapi" / "required.json"

INT64 = {
    "activeDeadlineSeconds", "deletionGracePeriodSeconds", "expirationSeconds", "fsGroup", "generation",
    "gracePeriodSeconds", "observedGeneration", "remainingItemCount", "runAsGroup", "runAsUser", "seconds",
    "startingDeadlineSeconds", "supplementalGroups", "terminationGracePeriodSeconds", "tolerationSeconds", "gid",
    "uid",
}  # fmt: skip
QUANTITIES = {
    "allocatedResources", "capacity", "divisor", "limits", "overhead", "requests", "sizeLimit",
}  # fmt: skip
QUANTITY_MAPS = {"NodeAllocatableResourceClaimStatus.resources"}
MICRO_TIMES = {"acquireTime", "eventTime", "lastObservedTime", "renewTime"}
INT_OR_STRING = {"HTTPGetAction.port", "TCPSocketAction.port"}
# Optional scalars that are no pointer in Go and have `omitempty`: false, 0 and "" are the same as unset.
PLAIN_BOOLS = {"denied", "hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly"}
PLAIN_INTS = {
    "ContainerPort.hostPort", "Probe.initialDelaySeconds", "Probe.timeoutSeconds", "Probe.periodSeconds",
    "Probe.successThreshold", "Probe.failureThreshold", "ObjectMeta.generation", "JobStatus.active",
    "JobStatus.succeeded", "JobStatus.failed", "ContainerStateTerminated.signal", "PodStatus.observedGeneration",
    "PodCondition.observedGeneration", "GCEPersistentDiskVolumeSource.partition",
    "AWSElasticBlockStoreVolumeSource.partition", "Event.count", "EventSeries.count", "Status.code",
    "StatusDetails.retryAfterSeconds",
}  # fmt: skip
POINTER_STRINGS = {
    "AppArmorProfile.localhostProfile", "CSIVolumeSource.fsType", "ClusterTrustBundleProjection.name",
    "ClusterTrustBundleProjection.signerName", "Container.restartPolicy", "CronJobSpec.timeZone",
    "DeleteOptions.propagationPolicy", "EphemeralContainer.restartPolicy", "GRPCAction.service",
    "HostPathVolumeSource.type", "JobSpec.completionMode", "Event.reportingComponent", "Event.reportingInstance",
    "JobSpec.managedBy", "JobSpec.podReplacementPolicy", "JobStatus.failedIndexes", "LeaseSpec.holderIdentity",
    "LeaseSpec.preferredHolder", "LeaseSpec.strategy", "Lifecycle.stopSignal",
    "PersistentVolumeClaimSpec.storageClassName", "PersistentVolumeClaimSpec.volumeAttributesClassName",
    "PersistentVolumeClaimSpec.volumeMode", "PodDNSConfigOption.value",
    "PodFailurePolicyOnExitCodesRequirement.containerName", "PodResourceClaim.resourceClaimName",
    "PodResourceClaim.resourceClaimTemplateName", "PodSchedulingGroup.podGroupName",
    "PodSecurityContext.fsGroupChangePolicy", "PodSecurityContext.seLinuxChangePolicy",
    "PodSecurityContext.supplementalGroupsPolicy", "PodSpec.hostnameOverride", "Preconditions.resourceVersion",
    "Preconditions.uid", "PodSpec.preemptionPolicy", "PodSpec.runtimeClassName", "SeccompProfile.localhostProfile",
    "SecurityContext.procMount", "SuccessPolicyRule.succeededIndexes", "TopologySpreadConstraint.nodeAffinityPolicy",
    "TopologySpreadConstraint.nodeTaintsPolicy", "TypedLocalObjectReference.apiGroup",
    "TypedObjectReference.apiGroup", "TypedObjectReference.namespace", "VolumeMount.mountPropagation",
    "VolumeMount.recursiveReadOnly", "WindowsSecurityContextOptions.gmsaCredentialSpec",
    "WindowsSecurityContextOptions.gmsaCredentialSpecName", "WindowsSecurityContextOptions.runAsUserName",
    "ISCSIVolumeSource.initiatorName", "AzureDiskVolumeSource.fsType", "ScaleIOVolumeSource.protectionDomain",
}  # fmt: skip


def go_name(model: str) -> str:
    """The Go type's name of a model: V1JobSpec is JobSpec."""
    return re.sub(r"^(Core|Batch)?V\d+((alpha|beta)\d+)?", "", model)


def json_type(owner: str, name: str, declared: str, required: bool) -> str:
    """The notation for one field of the model `owner`, whose declared type is the client's."""
    if match := re.fullmatch(r"list\[(.+)\]", declared):
        return "[]" + json_type(owner, name, match.group(1), False).lstrip("*")
    if match := re.fullmatch(r"dict\[str, (.+)\]", declared):
        return "map[]" + json_type(owner, name, match.group(1), False).lstrip("*")
    if declared == "object":
        return "IntOrString" if f"{owner}.{name}" in INT_OR_STRING else "any"
    if declared == "datetime":
        return "MicroTime" if name in MICRO_TIMES else "Time"
    if declared in ("str", "int", "bool"):
        return scalar_type(owner, name, declared, required)
    return go_name(declared)


def scalar_type(owner: str, name: str, declared: str, required: bool) -> str:
    """The notation for a string, number or boolean."""
    if declared == "str":
        if name in QUANTITIES or f"{owner}.{name}" in QUANTITY_MAPS:
            return "Quantity"
        return ("*" if required or f"{owner}.{name}" in POINTER_STRINGS else "") + "string"
    if declared == "bool":
        return "bool" if name in PLAIN_BOOLS and owner != "AzureDiskVolumeSource" else "*bool"
    number = "int64" if name in INT64 else "int32"
    return number if f"{owner}.{name}" in PLAIN_INTS else "*" + number


def collect(models: Any, model: str, found: dict[str, dict[str, str]], required: dict[str, list[str]]) -> None:
    """Add the fields of a model, and of all it mentions, to `found`, and the names of required ones to `required`."""
    name = go_name(model)
    if name in found:
        return
    cls = getattr(models, model)
    needed = required_fields(cls)
    fields = found[name] = {}
    if needed:
        required[name] = sorted(cls.attribute_map[attribute] for attribute in needed)
    for attribute, declared in sorted(cls.openapi_types.items(), key=lambda item: cls.attribute_map[item[0]]):
        field = cls.attribute_map[attribute]
        fields[field] = json_type(name, field, declared, attribute in needed)
        for mentioned in re.findall(r"\b(?:Core|Batch)?V\d\w*", declared):
            collect(models, mentioned, found, required)


def required_fields(cls: Any) -> set[str]:
    """The attributes that the client refuses to set to None: those without `omitempty` in Go."""
    found: set[str] = set()
    for attribute in cls.openapi_types:
        setter = getattr(cls, attribute).fset
        if "must not be `None`" in " ".join(str(constant) for constant in setter.__code__.co_consts):
            found.add(attribute)
    return found


def main() -> None:
    """Write the files."""
    client = importlib.import_module("kubernetes.client")
    version: str = client.__version__
    if not version.startswith("36."):
        sys.exit(f"this needs kubernetes 36.x (Kubernetes 1.36), found {version}")
    found: dict[str, dict[str, str]] = {}
    required: dict[str, list[str]] = {}
    for root in ROOTS:
        collect(client.models, root, found, required)
    write(OUT, found)
    write(REQUIRED_OUT, required)


def write(path: Path, types: Mapping[str, object]) -> None:
    """Write one file, a line for each type."""
    lines = [f"  {json.dumps(name)}: {json.dumps(types[name])}" for name in sorted(types)]
    path.write_text('{"kubernetes": "1.36", "types": {\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

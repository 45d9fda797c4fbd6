"""Rules of a pod's volumes: names, one source each, and what the common sources cannot do without."""

from collections.abc import Mapping
from typing import Any, Final

from podledger.api.field_error import FieldError, duplicate, forbidden, invalid, required
from podledger.api.validation.names import dns_label_faults

__all__ = ["validate_volumes"]

ORDER: Final = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "flocker",
    "downwardAPI",
    "fc",
    "azureFile",
    "flexVolume",
    "configMap",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "projected",
    "portworxVolume",
    "scaleIO",
    "storageos",
    "csi",
    "ephemeral",
    "image",
]
# The field without which a source names nothing.
NEEDED: Final = {
    "hostPath": "path",
    "secret": "secretName",
    "configMap": "name",
    "persistentVolumeClaim": "claimName",
    "csi": "driver",
}


def validate_volumes(spec: Mapping[str, Any], path: str) -> list[FieldError]:
    """spec.volumes, their defaults applied (a volume without a source is an emptyDir by then)."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, volume in enumerate(spec.get("volumes") or ()):
        here, name = f"{path}[{number}]", volume.get("name", "")
        errors += validate_source(volume, here)
        if not name:
            errors.append(required(f"{here}.name"))
        else:
            errors += [invalid(f"{here}.name", name, fault) for fault in dns_label_faults(name)]
        if name in seen:
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)
    return errors


def rank(source: str) -> int:
    """Where a source stands in Kubernetes' checks: of several, the first counts and the others are too many."""
    return ORDER.index(source) if source in ORDER else len(ORDER)


def validate_source(volume: Mapping[str, Any], path: str) -> list[FieldError]:
    """One source, complete."""
    errors: list[FieldError] = []
    sources = sorted((field for field in volume if field != "name"), key=rank)
    if not sources:
        errors.append(required(path, "must specify a volume type"))
    errors += [forbidden(f"{path}.{source}", "may not specify more than 1 volume type") for source in sources[1:]]
    for source in sources[:1]:
        needed = NEEDED.get(source)
        if needed is not None and not volume[source].get(needed):
            errors.append(required(f"{path}.{source}.{needed}"))
    return errors

"""How the lists of each type merge: by which keys their items are told apart, or as a whole. Data, for patches and
OpenAPI.

Two things that usually agree but do not always: strategic merge patches go by one `patch_key`
(https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch), server-side apply by the
`keys` of the list's type (https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy). A list
that is not named here is replaced as a whole by both.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

__all__ = ["ATOMIC_MAPS", "ATOMIC_TYPES", "KEY_DEFAULTS", "LISTS", "RETAIN_KEYS", "ListRule"]


class ListRule(Struct, frozen=True):
    """How a list merges. Without `keys` and `is_set` it is atomic for server-side apply."""

    keys: tuple[str, ...] = ()
    is_set: bool = False
    patch_key: str = ""
    patch_merge: bool = False
    """Whether strategic merge patches merge it; without a `patch_key` its items are plain values."""


def _by(*keys: str, patch_key: str = "") -> ListRule:
    """Told apart by these keys, strategic merge patches by the first."""
    return ListRule(keys=keys, patch_key=patch_key or keys[0], patch_merge=True)


_SET: Final = ListRule(is_set=True)
_MERGED_SET: Final = ListRule(is_set=True, patch_merge=True)
_STRATEGIC_ONLY: Final = ListRule(patch_key="type", patch_merge=True)
_APPLY_ONLY: Final = ListRule(keys=("name",))

_CONTAINER: Final = {
    "env": _by("name"),
    "ports": _by("containerPort", "protocol"),
    "volumeDevices": _by("devicePath"),
    "volumeMounts": _by("mountPath"),
}

LISTS: Final[Mapping[tuple[str, str], ListRule]] = {
    ("ObjectMeta", "finalizers"): _MERGED_SET,
    ("ObjectMeta", "ownerReferences"): _by("uid"),
    ("JobStatus", "conditions"): _STRATEGIC_ONLY,
    ("NamespaceStatus", "conditions"): _by("type"),
    ("PodFailurePolicyOnExitCodesRequirement", "values"): _SET,
    ("PodSpec", "containers"): _by("name"),
    ("PodSpec", "ephemeralContainers"): _by("name"),
    ("PodSpec", "hostAliases"): _by("ip"),
    ("PodSpec", "imagePullSecrets"): _by("name"),
    ("PodSpec", "initContainers"): _by("name"),
    ("PodSpec", "resourceClaims"): _by("name"),
    ("PodSpec", "schedulingGates"): _by("name"),
    ("PodSpec", "topologySpreadConstraints"): _by("topologyKey", "whenUnsatisfiable"),
    ("PodSpec", "volumes"): _by("name"),
    ("PodStatus", "conditions"): _by("type"),
    ("PodStatus", "hostIPs"): ListRule(patch_key="ip", patch_merge=True),
    ("PodStatus", "podIPs"): _by("ip"),
    ("PodStatus", "resourceClaimStatuses"): _by("name"),
    ("ContainerStatus", "allocatedResourcesStatus"): _by("name"),
    ("ContainerStatus", "volumeMounts"): _by("mountPath"),
    ("ResourceRequirements", "claims"): _APPLY_ONLY,
    ("ResourceStatus", "resources"): ListRule(keys=("resourceID",)),
    ("UncountedTerminatedPods", "failed"): _SET,
    ("UncountedTerminatedPods", "succeeded"): _SET,
    **{("Container", field): rule for field, rule in _CONTAINER.items()},
    **{("EphemeralContainer", field): rule for field, rule in _CONTAINER.items()},
}
"""Type and field to the rule of the list."""

RETAIN_KEYS: Final = frozenset({("PodSpec", "resourceClaims"), ("PodSpec", "volumes")})
"""Lists whose items have one of several sources, so that clients send `$retainKeys` with a change."""

ATOMIC_TYPES: Final = frozenset(
    {
        "ConfigMapKeySelector", "FileKeySelector", "LabelSelector", "LocalObjectReference", "NodeSelector",
        "NodeSelectorTerm", "ObjectFieldSelector", "ObjectReference", "OwnerReference", "ResourceFieldSelector",
        "SecretKeySelector", "TypedLocalObjectReference",
    }
)  # fmt: skip
"""Objects that server-side apply owns as a whole."""

ATOMIC_MAPS: Final = frozenset({("PodSpec", "nodeSelector")})
"""Maps that server-side apply owns as a whole."""

KEY_DEFAULTS: Final[Mapping[str, str]] = {"protocol": "TCP"}
"""What a key is where an item does not say it."""

"""The schemas of OpenAPI documents, made from the field tree: types, texts, required fields, and how lists merge.

kubectl computes its patches and `kubectl explain` from them, so they are complete for every type that is reached.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from podledger.api.fields import TYPES
from podledger_adapters.server.openapi.descriptions import field_text, type_text
from podledger_adapters.server.openapi.required import required_fields
from podledger_adapters.server.patch.merge_rules import ATOMIC_MAPS, ATOMIC_TYPES, LISTS, RETAIN_KEYS, ListRule
from podledger_adapters.server.resource import ApiResource

__all__ = ["list_schema", "reference", "schema_name", "schemas"]

Json = dict[str, Any]

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
PACKAGES: Final[Mapping[str, str]] = {
    "Quantity": "io.k8s.apimachinery.pkg.api.resource",
    "IntOrString": "io.k8s.apimachinery.pkg.util.intstr",
    **dict.fromkeys(("Lease", "LeaseSpec"), "io.k8s.api.coordination.v1"),
    "Eviction": "io.k8s.api.policy.v1",
    **dict.fromkeys(
        (
            "CronJob", "CronJobList", "CronJobSpec", "CronJobStatus", "Job", "JobCondition", "JobList", "JobSpec",
            "JobStatus", "JobTemplateSpec", "PodFailurePolicy", "PodFailurePolicyOnExitCodesRequirement",
            "PodFailurePolicyOnPodConditionsPattern", "PodFailurePolicyRule", "SuccessPolicy", "SuccessPolicyRule",
            "UncountedTerminatedPods",
        ),
        "io.k8s.api.batch.v1",
    ),
    **dict.fromkeys(
        (
            "FieldSelectorAttributes", "LabelSelectorAttributes", "NonResourceAttributes", "ResourceAttributes",
            "SelfSubjectAccessReview", "SelfSubjectAccessReviewSpec", "SubjectAccessReviewStatus",
        ),
        "io.k8s.api.authorization.v1",
    ),
    **dict.fromkeys(
        (
            "DeleteOptions", "FieldSelectorRequirement", "FieldsV1", "LabelSelector", "LabelSelectorRequirement",
            "ListMeta", "ManagedFieldsEntry", "MicroTime", "ObjectMeta", "OwnerReference", "Patch", "Preconditions",
            "ShardInfo", "Status", "StatusCause", "StatusDetails", "Time", "WatchEvent",
        ),
        META,
    ),
}  # fmt: skip
"""Where Kubernetes keeps a type, core/v1 apart: part of its schema's name."""

SCALARS: Final[Mapping[str, Json]] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
}
NAMED_SCALARS: Final[Mapping[str, Json]] = {
    "Time": {"type": "string", "format": "date-time", "description": "A time in RFC 3339, in whole seconds."},
    "MicroTime": {"type": "string", "format": "date-time", "description": "A time in RFC 3339, in microseconds."},
    "Quantity": {
        "oneOf": [{"type": "string"}, {"type": "number"}],
        "description": "An amount of a resource, such as 500m (half a CPU) or 128Mi.",
    },
    "IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "description": "A number, or a name that stands for one.",
    },
    "FieldsV1": {"type": "object", "description": "A set of fields, as server-side apply writes it."},
    "Patch": {"type": "object", "description": "What is to be changed; its form is that of the Content-Type."},
}


def schema_name(type_: str) -> str:
    """The name of a type's schema: `io.k8s.api.batch.v1.Job`."""
    if type_.endswith("List") and type_ not in PACKAGES:
        return f"{PACKAGES.get(type_.removesuffix('List'), 'io.k8s.api.core.v1')}.{type_}"
    return f"{PACKAGES.get(type_, 'io.k8s.api.core.v1')}.{type_}"


def reference(type_: str) -> Json:
    """A reference to a type's schema."""
    return {"$ref": f"#/components/schemas/{schema_name(type_)}"}


def schemas(types: Iterable[str], resources: Iterable[ApiResource]) -> Json:
    """The schemas of these types and of all that they mention, by name; kinds among `resources` say what they are."""
    kinds = {resource.kind: resource for resource in resources}
    found: Json = {}
    pending = list(types)
    while pending:
        type_ = pending.pop()
        name = schema_name(type_)
        if name in found:
            continue
        found[name] = dict(NAMED_SCALARS[type_]) if type_ in NAMED_SCALARS else _object(type_)
        if type_ in kinds:
            found[name]["x-kubernetes-group-version-kind"] = [_kind(kinds[type_])]
        pending += _mentioned(type_)
    return dict(sorted(found.items()))


def list_schema(resource: ApiResource) -> Json:
    """The schema of a list of a resource's objects."""
    return {
        "type": "object",
        "description": f"{resource.kind}List is a collection of {resource.kind} objects.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [reference("ListMeta")], "default": {}},
            "items": {"type": "array", "items": {"allOf": [reference(resource.kind)], "default": {}}},
        },
        "x-kubernetes-group-version-kind": [{**_kind(resource), "kind": f"{resource.kind}List"}],
    }


def _kind(resource: ApiResource) -> Json:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


def _mentioned(type_: str) -> list[str]:
    """The types of a type's fields that have schemas of their own."""
    named = (re.sub(r"^(\*|\[\]|map\[\])+", "", declared) for declared in TYPES.get(type_, {}).values())
    return ["FieldsV1" if name == "any" else name for name in named if name not in SCALARS]


def _object(type_: str) -> Json:
    schema: Json = {"type": "object"}
    if text := type_text(type_):
        schema["description"] = text
    if required := required_fields(type_):
        schema["required"] = list(required)
    properties: Json = {}
    for name, declared in TYPES[type_].items():
        properties[name] = _field(type_, name, declared)
        if text := field_text(type_, name):
            properties[name]["description"] = text
    schema["properties"] = properties
    if type_ in ATOMIC_TYPES:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _field(type_: str, name: str, declared: str) -> Json:
    declared = declared.removeprefix("*")
    if declared.startswith("[]"):
        rule = LISTS.get((type_, name), ListRule())
        return {"type": "array", "items": _value(declared[2:]), **_list_extensions(type_, name, rule)}
    if declared.startswith("map[]"):
        schema: Json = {"type": "object", "additionalProperties": _value(declared[5:])}
        return schema | ({"x-kubernetes-map-type": "atomic"} if (type_, name) in ATOMIC_MAPS else {})
    if declared in SCALARS:
        return dict(SCALARS[declared])
    return {"allOf": [reference("FieldsV1" if declared == "any" else declared)]}


def _value(declared: str) -> Json:
    if declared in SCALARS:
        return dict(SCALARS[declared])
    return {"allOf": [reference(declared)], "default": {}} if declared in TYPES else reference(declared)


def _list_extensions(type_: str, name: str, rule: ListRule) -> Json:
    found: Json = {"x-kubernetes-list-type": "map" if rule.keys else "set" if rule.is_set else "atomic"}
    if rule.keys:
        found["x-kubernetes-list-map-keys"] = list(rule.keys)
    if rule.patch_merge:
        retains = (type_, name) in RETAIN_KEYS
        found["x-kubernetes-patch-strategy"] = "merge,retainKeys" if retains else "merge"
        if rule.patch_key:
            found["x-kubernetes-patch-merge-key"] = rule.patch_key
    return found

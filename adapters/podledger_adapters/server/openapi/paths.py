"""The paths of OpenAPI documents: every resource with its verbs, and what they take and answer."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from podledger_adapters.server.negotiation import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH,
    MERGE_PATCH,
    PROTOBUF,
    STRATEGIC_MERGE_PATCH,
    YAML,
)
from podledger_adapters.server.openapi.parameters import path_parameter, query_parameters
from podledger_adapters.server.openapi.schemas import reference
from podledger_adapters.server.resource import ApiResource, Subresource

__all__ = ["resource_paths"]

Json = dict[str, Any]

METHODS: Final = {
    "create": "post",
    "delete": "delete",
    "deletecollection": "delete",
    "get": "get",
    "list": "get",
    "patch": "patch",
    "update": "put",
}
ACTIONS: Final = {"update": "put", "create": "post"}
"""What OpenAPI documents of Kubernetes call a verb that has another name there."""
COLLECTION_VERBS: Final = ("list", "create", "deletecollection")
OBJECT_VERBS: Final = ("get", "update", "delete", "patch")


def resource_paths(resource: ApiResource) -> Iterator[tuple[str, Json]]:
    """The paths of a resource and its subresources."""
    collection = f"{resource.path}/{resource.plural}"
    if resource.namespaced:
        if "list" in resource.verbs:
            everywhere = _operation(resource, "list") | {"operationId": f"list{_title(resource)}ForAllNamespaces"}
            yield collection, _path([], [("get", everywhere)])
        collection = f"{resource.path}/namespaces/{{namespace}}/{resource.plural}"
    place = ["namespace"] if resource.namespaced else []
    yield collection, _path(place, _operations(resource, COLLECTION_VERBS))
    if operations := _operations(resource, OBJECT_VERBS):
        yield f"{collection}/{{name}}", _path(["name", *place], operations)
    for part in resource.subresources:
        operations = [(METHODS[verb], _operation(resource, verb, part)) for verb in part.verbs]
        yield f"{collection}/{{name}}/{part.name}", _path(["name", *place], operations)


def _path(parameters: Sequence[str], operations: Sequence[tuple[str, Json]]) -> Json:
    path: Json = dict(operations)
    return path | ({"parameters": [path_parameter(name) for name in parameters]} if parameters else {})


def _operations(resource: ApiResource, verbs: Sequence[str]) -> list[tuple[str, Json]]:
    return [(METHODS[verb], _operation(resource, verb)) for verb in verbs if verb in resource.verbs]


def _operation(resource: ApiResource, verb: str, part: Subresource | None = None) -> Json:
    if part is not None and part.name == "log":
        return _log_operation(resource)
    kind = part.kind if part is not None else resource.kind
    group, version = resource.group, resource.version
    if part is not None and part.version:
        group, version = part.group, part.version
    suffix = part.name.capitalize() if part is not None else ""
    operation: Json = {
        "tags": [resource.api_version.replace("/", "_")],
        "description": _description(verb, resource, part),
        "operationId": f"{verb}{_title(resource)}{suffix}",
        "parameters": query_parameters(verb),
        "responses": _responses(verb, kind),
        "x-kubernetes-action": ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
    }
    if body := _body(verb, kind):
        operation["requestBody"] = body
    return operation


def _title(resource: ApiResource) -> str:
    group = "".join(word.capitalize() for word in resource.group.split(".")[0].split("-")) or "Core"
    return f"{group}{resource.version.capitalize()}{'Namespaced' if resource.namespaced else ''}{resource.kind}"


def _description(verb: str, resource: ApiResource, part: Subresource | None) -> str:
    what = f"the {part.name} of a {resource.kind}" if part is not None else f"a {resource.kind}"
    many = f"objects of kind {resource.kind}"
    return {
        "create": f"create {what}",
        "delete": f"delete {what}",
        "deletecollection": f"delete {many}",
        "get": f"read {what}",
        "list": f"list or watch {many}",
        "patch": f"change some fields of {what}",
        "update": f"replace {what}",
    }[verb]


def _log_operation(resource: ApiResource) -> Json:
    return {
        "tags": [resource.api_version.replace("/", "_")],
        "description": "read the log of a container",
        "operationId": f"get{_title(resource)}Log",
        "parameters": query_parameters("log"),
        "responses": {
            "200": {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}},
            "204": {"description": "The pod is not scheduled yet: there is nothing to read."},
            "default": _refusal(),
        },
        "x-kubernetes-action": "connect",
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "kind": resource.kind,
            "version": resource.version,
        },
    }


def _body(verb: str, kind: str) -> Json | None:
    if verb in ("create", "update"):
        schema = reference(kind)
        return {"required": True, "content": {media: {"schema": schema} for media in (JSON, YAML, PROTOBUF)}}
    if verb in ("delete", "deletecollection"):
        return {"content": {JSON: {"schema": reference("DeleteOptions")}}}
    if verb == "patch":
        types = (APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)
        patches: Json = {media: {"schema": reference("Patch")} for media in types}
        patches[JSON_PATCH] = {"schema": {"type": "array", "items": reference("Patch")}}
        return {"required": True, "content": patches}
    return None


def _responses(verb: str, kind: str) -> Json:
    answer = reference(f"{kind}List" if verb in ("list", "deletecollection") else kind)
    if verb == "delete":
        answer = {"oneOf": [reference("Status"), reference(kind)]}
    if kind in ("Binding", "Eviction"):
        answer = reference("Status")
    codes = {
        "create": ("201", "200", "202"),
        "delete": ("200", "202"),
        "patch": ("200", "201"),
        "update": ("200", "201"),
    }
    words = {"200": "OK", "201": "Created", "202": "Accepted"}
    media = (JSON, YAML, f"{JSON};stream=watch") if verb == "list" else (JSON, YAML)
    content = {each: {"schema": answer} for each in media}
    responses: Json = {code: {"description": words[code], "content": content} for code in codes.get(verb, ("200",))}
    return responses | {"401": {"description": "Unauthorized"}, "default": _refusal()}


def _refusal() -> Json:
    return {"description": "A refusal", "content": {JSON: {"schema": reference("Status")}}}

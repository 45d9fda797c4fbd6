"""Writes as a hostile or careless client might send them, for fuzzing: every operation of our OpenAPI documents.

An object (`openapi_objects.py`) is put in a form: JSON, YAML, protobuf, one of four patches. The form may be spoilt, or
something else about the request as a whole.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from hypothesis import strategies as st
from msgspec import Struct

from tests.openapi_objects import EXISTING, JUNK, SCHEMAS, Json, Path, changes, documents, placed, places
from tests.protobuf_encoder import encode

__all__ = ["FAULTS", "Operation", "Sent", "operations", "writes"]

POINTERS: Final = ("", "/", "no/slash", "/metadata/~2", "/spec/-", "/spec/-1", "/spec/01", "/spec/template/spec/é")
MEDIA: Final = ("json", "yaml", "vnd.kubernetes.protobuf", "merge-patch+json", "json-patch", "x")
APPLY: Final = "application/apply-patch+yaml"
DEEP: Final = 3000
"""Levels of an object that is nested too deep."""


class Operation(Struct, frozen=True):
    """A method on a path, with its parameters; `kind` is that of its body, "" where it takes none."""

    method: str
    path: str
    parameters: Sequence[str]
    kind: str


class Sent(Struct, frozen=True):
    """A request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def operations() -> Sequence[Operation]:
    """All writes that our documents name."""
    found: list[Operation] = []
    for document in SCHEMAS.documents:
        for path, item in document["paths"].items():
            for method in ("post", "put", "patch", "delete"):
                if method not in item:
                    continue
                kind = item[method]["x-kubernetes-group-version-kind"]["kind"]
                names = [each["name"] for each in item[method]["parameters"]]
                body = "DeleteOptions" if method == "delete" else kind
                found.append(Operation(method.upper(), path, names, body))
    return found


def deep(levels: int) -> bytes:
    """An object that is nothing but nested."""
    return b'{"metadata":{"annotations":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}}"


@st.composite
def spoilt(draw: st.DrawFn, body: bytes) -> bytes:
    """What was a body."""
    match draw(st.integers(0, 4)):
        case 0:
            return body[: draw(st.integers(0, len(body)))]
        case 1:
            at = draw(st.integers(0, len(body)))
            return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
        case 2:
            return body.replace(b'"name":', b'"name": "twice", "name":')
        case 3:
            return draw(st.sampled_from((deep(50), deep(DEEP), b"[" * DEEP, b"- " * DEEP, b"{", b"null", b"1", b"")))
        case _:
            return draw(st.binary(max_size=60))


def as_json(value: Any) -> bytes:
    """JSON text."""
    return json.dumps(value).encode()


def as_yaml(value: Any) -> bytes:
    """YAML text; texts that YAML cannot hold are left to JSON."""
    try:
        return yaml.safe_dump(value, allow_unicode=True).encode()
    except (yaml.YAMLError, UnicodeError):
        return as_json(value)


def as_protobuf(document: Json) -> bytes:
    """A protobuf body, as far as the values fit: else JSON under a protobuf name."""
    try:
        return encode(document)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return as_json(document)


def pointer(path: Path) -> str:
    """The JSON pointer of a place."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@st.composite
def json_patches(draw: st.DrawFn, kind: str) -> Any:
    """Operations of a JSON patch."""
    operations: list[Any] = []
    for path, value in draw(changes(kind)):
        op = draw(st.sampled_from(("add", "replace", "remove", "test", "move", "copy", "Add", "")))
        one: Json = {"op": op, "path": pointer(path), "value": value, "from": pointer(draw(places(kind))[0])}
        if draw(st.integers(0, 4)) == 0:
            one[draw(st.sampled_from(("op", "path", "value", "from", "more")))] = draw(st.sampled_from(JUNK))
        if draw(st.integers(0, 4)) == 0:
            one["path"] = draw(
                st.sampled_from(("", "/", "no/slash", "/metadata/~2", "/spec/-", "/spec/-1", "/spec/01"))
            )
        operations.append(one)
    return operations if draw(st.integers(0, 9)) else draw(st.sampled_from(JUNK))


@st.composite
def patches(draw: st.DrawFn, kind: str, name: str) -> tuple[str, bytes]:
    """The type and the body of a patch."""
    media = draw(st.sampled_from(("json-patch+json", "merge-patch+json", "strategic-merge-patch+json")))
    if draw(st.integers(0, 3)) == 0:
        document = draw(documents(kind, name))
        text = as_yaml(document) if draw(st.booleans()) else as_json(document)
        return "apply-patch+yaml", text
    if media == "json-patch+json":
        return media, as_json(draw(json_patches(kind)))
    partial: Any = {}
    for path, value in draw(changes(kind)):
        partial = placed(partial, path, value)
    return media, as_json(partial)


@st.composite
def bodies(draw: st.DrawFn, operation: Operation, name: str) -> tuple[str, bytes]:
    """The content type and the body of a request."""
    if operation.method == "PATCH":
        media, body = draw(patches(operation.kind, name))
    else:
        document = draw(documents(operation.kind, name))
        media = draw(st.sampled_from(("json", "json", "yaml", "vnd.kubernetes.protobuf")))
        written = {"json": as_json, "yaml": as_yaml, "vnd.kubernetes.protobuf": as_protobuf}
        body = written[media](document)
    return f"application/{media}", body


GOOD_QUERY: Final[Mapping[str, Sequence[str]]] = {
    "dryRun": ("All",),
    "fieldManager": ("me", "another"),
    "fieldValidation": ("Strict", "Warn", "Ignore"),
    "force": ("true", "false"),
    "pretty": ("true",),
    "limit": ("1",),
    "labelSelector": ("a=b", "!a,b notin (c)"),
    "fieldSelector": (f"metadata.name={EXISTING}", "metadata.namespace!=default"),
    "gracePeriodSeconds": ("0", "1"),
    "propagationPolicy": ("Orphan", "Foreground", "Background"),
    "orphanDependents": ("true", "false"),
}
BAD_QUERY: Final = ("", "x", "-1", "99999999999999999999", "All,All", "x" * 129, "\n", "a in (b", "a=b", "=")
GOOD_ACCEPTS: Final = (
    "application/json", "application/yaml", "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
)  # fmt: skip
BAD_ACCEPTS: Final = ("text/html", "application/x", "application/vnd.kubernetes.protobuf", ";;,=", "")
BAD_NAMES: Final = ("none", "UPPER", "..", "x" * 300, "é")
FAULTS: Final = ("accept", "body", "media", "name", "namespace", "query")
"""What may be wrong with a request as a whole."""


@st.composite
def writes(draw: st.DrawFn, operation: Operation, faults: Sequence[str] = ("",)) -> Sent:
    """A request of an operation, about the object that exists, with one of `faults` beside the object's changes."""
    fault = draw(st.sampled_from(faults))
    creating = operation.method == "POST" and "{name}" not in operation.path
    name = draw(st.sampled_from(BAD_NAMES)) if fault == "name" else "made" if creating else EXISTING
    namespace = draw(st.sampled_from(BAD_NAMES)) if fault == "namespace" else "default"
    path = operation.path.replace("{namespace}", namespace).replace("{name}", name)
    media, body = draw(bodies(operation, name))
    if fault == "media":
        media = f"application/{draw(st.sampled_from(MEDIA))}"
    if fault == "body":
        body = draw(spoilt(body))
    known = draw(
        st.lists(st.sampled_from(sorted(set(operation.parameters) & set(GOOD_QUERY))), unique=True, max_size=3)
    )
    query = {each: draw(st.sampled_from(GOOD_QUERY[each])) for each in known}
    if media == APPLY:
        query.setdefault("fieldManager", "me")
    elif fault != "query":
        query.pop("force", None)
    if fault == "query":
        query[draw(st.sampled_from(operation.parameters))] = draw(st.sampled_from(BAD_QUERY))
    accept = draw(st.sampled_from(BAD_ACCEPTS if fault == "accept" else GOOD_ACCEPTS))
    return Sent(operation.method, path, query, {"content-type": media, "accept": accept}, body)

"""Writes as a hostile or careless client might send them: made from our own OpenAPI documents, for fuzzing.

Each begins with a good object and changes some of it, at places that the schemas name: with values that fit, that
almost fit, and that do not. Then it is put in a form (JSON, YAML, protobuf, one of four patches), which may be spoilt.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from hypothesis import strategies as st
from msgspec import Struct

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.openapi import OpenApi
from tests.protobuf_encoder import encode

__all__ = ["EXISTING", "FAULTS", "OBJECTS", "Operation", "Sent", "good_object", "operations", "writes"]

Json = dict[str, Any]
Path = tuple[str | int, ...]

EXISTING: Final = "there"
"""The name of the object of each kind that exists, in the namespace `default`."""
POD_SPEC: Final = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}]}
JOB_SPEC: Final = {"completionMode": "Indexed", "completions": 3, "template": {"spec": POD_SPEC}}
OBJECTS: Final[Mapping[str, Json]] = {
    "Binding": {"apiVersion": "v1", "target": {"kind": "Node", "name": "a-node"}},
    "CronJob": {"apiVersion": "batch/v1", "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": JOB_SPEC}}},
    "DeleteOptions": {"apiVersion": "v1"},
    "Event": {
        "apiVersion": "v1",
        "involvedObject": {"kind": "Job", "namespace": "default", "name": EXISTING},
        "reason": "Told",
        "metadata": {"namespace": "default"},
    },
    "Eviction": {"apiVersion": "policy/v1"},
    # With a selector of its own, so that it may also be put back as it is.
    "Job": {
        "apiVersion": "batch/v1",
        "spec": {
            **JOB_SPEC,
            "manualSelector": True,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": POD_SPEC},
        },
    },
    "Lease": {"apiVersion": "coordination.k8s.io/v1", "spec": {"holderIdentity": "me"}},
    "Namespace": {"apiVersion": "v1"},
    "Pod": {"apiVersion": "v1", "spec": POD_SPEC},
    "SelfSubjectAccessReview": {
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": {"verb": "create", "resource": "jobs"}},
    },
}
"""A good object of each kind, without a name."""
NAMELESS: Final = ("DeleteOptions", "SelfSubjectAccessReview")

WORDS: Final = (
    "", "a", "UPPER", "a b", "..", "a/b", "x" * 300, "é", "\ud7ff\x00", "0-1", "2,1", "main", EXISTING, "default",
    "None", "Never", "OnFailure", "Always", "Indexed", "NonIndexed", "Failed", "TerminatingOrFailed", "In", "NotIn",
    "Exists", "FailJob", "FailIndex", "Ignore", "Count", "True", "False", "Complete", "Running", "Succeeded",
    "* * * * *", "@every 1h", "0 0 31 2 *", "Europe/Berlin", "Mars/Sea", "500m", "1e99999", "-1Gi", "1",
    "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+09:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "metadata.name", "$(HOME)", "foregroundDeletion", "orphan", "example.com/hold", "batch.kubernetes.io/job-tracking",
    "kubernetes.io/job-controller", "batch/v1", "Job", "Background", "Foreground", "Orphan", "Apply", "FieldsV1",
)  # fmt: skip
NUMBERS: Final = (0, 1, 2, 3, -1, 30, 255, 256, 1000, 100_000, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 2**64)
JUNK: Final[Sequence[Any]] = (
    None, True, False, 0, -1, 1.5, 1e300, 2**70, "", "x", [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": [1]}},
    {"$patch": "replace"}, {"$patch": "delete"}, {"$patch": "up"}, {"$retainKeys": ["name"]}, [{"$patch": "delete"}],
    {"$deleteFromPrimitiveList/finalizers": ["a"]}, {"$setElementOrder/containers": [{"name": "main"}]},
    [{"$patch": "delete", "name": "main"}], {"$setElementOrder/x": "y"}, {"f:spec": {".": {}}},
)  # fmt: skip
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
    of: str
    """The kind that the path is about."""


class Sent(Struct, frozen=True):
    """A request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Schemas:
    """The schemas of all documents, by name."""

    def __init__(self) -> None:
        api = OpenApi()
        self.documents = [api.document(name) for name in api.names]
        self._found: Json = {}
        for document in self.documents:
            self._found |= document["components"]["schemas"]

    def of_kind(self, kind: str) -> Json:
        """The schema of a type's objects."""
        return next(schema for name, schema in self._found.items() if name.endswith(f".{kind}"))

    def resolved(self, schema: Json) -> Json:
        """The schema itself, references followed."""
        while "allOf" in schema or "$ref" in schema:
            schema = schema["allOf"][0] if "allOf" in schema else self._found[schema["$ref"].rpartition("/")[2]]
        return schema


SCHEMAS: Final = Schemas()


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
                found.append(Operation(method.upper(), path, names, body, kind))
    return found


# ---- values --------------------------------------------------------------------------------------------------------


@st.composite
def places(draw: st.DrawFn, kind: str) -> tuple[Path, Json]:
    """A place in an object of this kind, and the schema of what is there."""
    schema = SCHEMAS.resolved(SCHEMAS.of_kind(kind))
    path: list[str | int] = []
    while not path or draw(st.sampled_from((True, True, True, False))):
        if "properties" in schema:
            name = draw(st.sampled_from(sorted(schema["properties"])))
            path.append(name)
            schema = SCHEMAS.resolved(schema["properties"][name])
        elif schema.get("type") == "array":
            path.append(draw(st.integers(0, 2)))
            schema = SCHEMAS.resolved(schema["items"])
        elif "additionalProperties" in schema:
            path.append(draw(st.sampled_from(WORDS)))
            schema = SCHEMAS.resolved(schema["additionalProperties"])
        else:
            break
    return tuple(path), schema


@st.composite
def fitting(draw: st.DrawFn, schema: Json, depth: int = 3) -> Any:
    """A value of the schema's type, which may still be none that the field can have."""
    schema = SCHEMAS.resolved(schema)
    kind = schema.get("type")
    if kind == "string":
        return draw(st.sampled_from(WORDS))
    if kind == "integer":
        return draw(st.sampled_from(NUMBERS))
    if kind == "boolean":
        return draw(st.booleans())
    if kind == "array":
        items = fitting(schema["items"], depth - 1)
        few = draw(st.lists(items, max_size=3 if depth > 0 else 0))
        return few * draw(st.sampled_from((1, 1, 2, 40)))
    if "additionalProperties" in schema:
        inner = fitting(schema["additionalProperties"], depth - 1)
        return draw(st.dictionaries(st.sampled_from(WORDS), inner, max_size=2))
    if "properties" in schema:
        names = draw(st.lists(st.sampled_from(sorted(schema["properties"])), max_size=3, unique=True))
        required = [name for name in schema.get("required", ()) if draw(st.integers(0, 4))]
        chosen = dict.fromkeys((*required, *names)) if depth > 0 else {}
        return {name: draw(fitting(schema["properties"][name], depth - 1)) for name in chosen}
    return draw(st.sampled_from(JUNK) | st.sampled_from(WORDS) | st.sampled_from(NUMBERS))


@st.composite
def changes(draw: st.DrawFn, kind: str) -> list[tuple[Path, Any]]:
    """What to set where."""
    found: list[tuple[Path, Any]] = []
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 4)))):
        path, schema = draw(places(kind))
        match draw(st.sampled_from((*["fits"] * 6, "junk", "unknown"))):
            case "junk":
                found.append((path, draw(st.sampled_from(JUNK))))
            case "unknown":
                found.append(((*path[:-1], draw(st.sampled_from(("unknown", "$patch", "f:spec")))), "x"))
            case _:
                found.append((path, draw(fitting(schema))))
    return found


def put(document: Any, path: Path, value: Any) -> Any:
    """The document with a value at a place; what is in its way is replaced."""
    if not path:
        return copy.deepcopy(value)
    step = path[0]
    if isinstance(step, int):
        items = list(document) if is_array(document) else []
        at = min(step, len(items))
        return [*items[:at], put(items[at] if at < len(items) else None, path[1:], value), *items[at + 1 :]]
    fields = dict(document) if is_object(document) else {}
    return {**fields, step: put(fields.get(step), path[1:], value)}


def good_object(kind: str, name: str) -> Json:
    """An object that is accepted."""
    document: Json = {"kind": kind, **copy.deepcopy(OBJECTS[kind])}
    if kind not in NAMELESS:
        metadata: Json = document.get("metadata", {})
        document["metadata"] = {**metadata, "name": name}
    return document


@st.composite
def documents(draw: st.DrawFn, kind: str, name: str) -> Json:
    """An object, good but for some changes."""
    document = good_object(kind, name)
    for path, value in draw(changes(kind)):
        document = put(document, path, value)
    return document


# ---- bodies --------------------------------------------------------------------------------------------------------


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
            one = put(
                one, (draw(st.sampled_from(("op", "path", "value", "from", "more"))),), draw(st.sampled_from(JUNK))
            )
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
        partial = put(partial, path, value)
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

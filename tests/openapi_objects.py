"""Objects as a hostile or careless client might send them: good ones, changed at places that our OpenAPI schemas name,
with values that fit, that almost fit, and that do not.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.openapi import OpenApi

__all__ = [
    "EXISTING",
    "JUNK",
    "OBJECTS",
    "SCHEMAS",
    "Json",
    "Path",
    "changes",
    "documents",
    "good_object",
    "placed",
    "places",
]

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


def placed(document: Any, path: Path, value: Any) -> Any:
    """The document with a value at a place; what is in its way is replaced."""
    if not path:
        return copy.deepcopy(value)
    step = path[0]
    if isinstance(step, int):
        items = list(document) if is_array(document) else []
        at = min(step, len(items))
        return [*items[:at], placed(items[at] if at < len(items) else None, path[1:], value), *items[at + 1 :]]
    fields = dict(document) if is_object(document) else {}
    return {**fields, step: placed(fields.get(step), path[1:], value)}


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
        document = placed(document, path, value)
    return document

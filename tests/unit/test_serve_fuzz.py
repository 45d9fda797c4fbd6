"""Every route of our own OpenAPI with anything a client might send: no internal error, no hang, a Status for a refusal.

The routes, their methods and parameters are read from the served documents, so that a new route is tried too.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.serve_world import JOBS, PODS, a_job, a_pod, serve_world

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.openapi import OpenApi

METHODS = ("get", "post", "put", "patch", "delete")
CONTENT_TYPES = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
    "text/plain",
    "",
)
ACCEPTS = (
    "application/json",
    "application/yaml",
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf",
    ";;,=",
)
KNOWN = ("a", "p", "default", "kube-system", "none", "x" * 300, "Ünicode", "..", "a.b", "")
INTERNAL = "Internal error occurred"


class Operation(NamedTuple):
    """A method on a path, and the names of its query parameters."""

    method: str
    path: str
    parameters: tuple[str, ...]


def operations() -> list[Operation]:
    """All that our documents name."""
    api = OpenApi()
    found: list[Operation] = []
    for name in api.names:
        for path, item in api.document(name)["paths"].items():
            shared = item.get("parameters", [])
            for method in METHODS:
                if method in item:
                    given_ = [*shared, *item[method].get("parameters", [])]
                    query = tuple(each["name"] for each in given_ if each.get("in") == "query")
                    found.append(Operation(method.upper(), path, query))
    return found


OPERATIONS = operations()

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
keys = st.sampled_from(
    ["metadata", "spec", "status", "name", "namespace", "labels", "template", "containers", "kind", "apiVersion",
     "parallelism", "finalizers", "ownerReferences", "managedFields", "resourceVersion", "$patch", "op", "path",
     "propagationPolicy", "target", "conditions"]
) | st.text(max_size=10)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)


@st.composite
def _changed(draw: st.DrawFn, value: object, depth: int = 0) -> object:
    """The value with one part of it replaced by anything, somewhere inside."""
    if depth and draw(st.booleans()):
        return draw(values)
    if is_object(value) and value:
        key = draw(st.sampled_from(sorted(value)) | keys)
        return {**value, key: draw(_changed(value.get(key), depth + 1))}
    if is_array(value) and value:
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(_changed(value[at], depth + 1)), *value[at + 1 :]]
    return draw(values)


@st.composite
def mutated(draw: st.DrawFn, path: str) -> Any:
    """A good object for a path with something of it replaced by anything."""
    good = [a_pod("p"), a_pod("new")] if "/pods" in path else [a_job("a"), a_job("new")]
    document: Any = draw(st.sampled_from([*good, {"metadata": {"labels": {"a": "b"}}}, {"spec": {"suspend": True}}]))
    for _ in range(draw(st.integers(0, 2))):
        document = draw(_changed(document))
    return document


def bodies(path: str) -> st.SearchStrategy[bytes]:
    """What may be sent to a path."""
    documents = mutated(path).map(lambda value: json.dumps(value).encode())
    return (
        documents
        | documents
        | st.just(b"")
        | values.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=200)
        | st.binary(max_size=100).map(lambda data: b"k8s\0" + data)
    )


words = st.sampled_from(
    ["true", "false", "0", "1", "-1", "All", "a", "a=b", "a in (b", "metadata.name=a", "status.phase!=x", "Strict",
     "Warn", "Exact", "NotOlderThan", "Background", "Orphan", "99999999999999999999", "2030-01-01T00:00:00Z",
     "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0"]
) | st.text(max_size=12)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str], dict[str, str], bytes]:
    """A request: method, path, query, headers and body."""
    operation = draw(st.sampled_from(OPERATIONS))
    path = operation.path
    # Mostly what there is and what fits, so that requests come far.
    fitting = {"namespace": "default", "name": "p" if "/pods/" in path else "a"}
    for name, good in fitting.items():
        path = path.replace("{" + name + "}", draw(st.just(good) | st.sampled_from(KNOWN)))
    parameters = st.sampled_from([*operation.parameters, "pretty", "includeObject"])
    no_query: dict[str, str] = {}
    query = draw(st.just(no_query) | st.dictionaries(parameters, words, max_size=3))
    patches = CONTENT_TYPES[3:7] if operation.method == "PATCH" else CONTENT_TYPES[:1]
    headers = {
        "content-type": draw(st.sampled_from(patches) | st.sampled_from(CONTENT_TYPES)),
        "accept": draw(st.sampled_from(ACCEPTS)),
    }
    # What streams ends at once, so that a hang would show.
    for stream in ("watch", "follow"):
        if stream in query:
            query["timeoutSeconds"] = "1"
    return operation.method, path, query, headers, draw(bodies(path))


@given(st.lists(requests(), min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_request_is_too_much(asked: list[tuple[str, str, Mapping[str, str], Mapping[str, str], bytes]]) -> None:
    assert anyio.run(faults_of, asked) == []


async def faults_of(asked: list[tuple[str, str, Mapping[str, str], Mapping[str, str], bytes]]) -> list[object]:
    """The requests that were answered as none should be. A hang raises TimeoutError."""
    faults: list[object] = []
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        await world.made(PODS, a_pod("p"))
        for method, path, query, headers, body in asked:
            answer = await world.ask(
                method, path, body, headers=headers, query=query, until=lambda received: received.count(b"\n") > 2
            )
            # 500 itself is Kubernetes' answer to a few requests, but never with these words.
            internal = answer.code == 500 and INTERNAL.encode() in answer.body
            plain = answer.code < 400 or answer.body.startswith(b"404 page")
            if internal or not (plain or (answer.json["kind"], answer.json["code"]) == ("Status", answer.code)):
                faults.append((method, path, query, headers, body, answer))
        # Whatever came, it still serves.
        if (await world.ask("GET", JOBS)).code != 200:
            faults.append("it serves no more")
    return faults


def test_all_routes_are_known() -> None:
    paths = {operation.path for operation in OPERATIONS}
    assert {"/apis/batch/v1/namespaces/{namespace}/jobs/{name}/status", "/api/v1/namespaces/{namespace}/pods"} <= paths
    assert len(OPERATIONS) > 40

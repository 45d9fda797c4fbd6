"""Protobuf bodies: what kubectl sent to a real API server, by hand what it did not, and bytes of any kind."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protobuf_encoder import encode, encode_message, fixed64, frame, tagged, varint

from podledger.api.fields import TYPES, inspect_fields
from podledger_adapters.server.body import decode_body
from podledger_adapters.server.negotiation import PROTOBUF
from podledger_adapters.server.protobuf import MESSAGES, Field, MalformedProtobuf, decode
from podledger_adapters.server.resource import RESOURCES
from podledger_adapters.store.api_error import ApiError

RECORDED = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared")) / "recorded"
Json = dict[str, Any]

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    "int": st.integers(-(2**63), 2**63 - 1).filter(bool),
    "bool": st.just(True),
    "Time": st.sampled_from(["2030-01-01T00:00:00Z", "1969-12-31T23:59:59Z"]),
    "MicroTime": st.just("2030-01-01T00:00:00.000001Z"),
    "Quantity": st.sampled_from(["1", "500m", "1Gi"]),
    "IntOrString": st.integers(-(2**31), 2**31 - 1) | st.text(max_size=5),
    "FieldsV1": st.just({"f:spec": {"f:suspend": {}}}),
}


def values(field: Field, depth: int) -> st.SearchStrategy[Any]:
    """Values of a field that survive a round trip."""
    one = SCALARS.get(field.type)
    if one is None:
        one = messages(field.type, depth - 1)
    elif field.presence:
        one |= {"string": st.just(""), "int": st.just(0), "bool": st.just(False)}[field.type]
    if field.repeated:
        return st.lists(one, min_size=1, max_size=2)
    return st.dictionaries(SCALARS["string"], one, min_size=1, max_size=2) if field.mapped else one


@st.composite
def messages(draw: st.DrawFn, type_: str, depth: int) -> Json:
    """Documents of a message, some of its fields set."""
    document: Json = {}
    fields = [field for field in MESSAGES[type_].values() if depth > 0 or field.type in SCALARS]
    picked = draw(st.lists(st.sampled_from(fields), max_size=3, unique_by=lambda field: field.name)) if fields else []
    for field in picked:
        if field.inlined:
            document |= draw(messages(field.type, depth - 1))
        else:
            document[field.name] = draw(values(field, depth))
    return without_empty(type_, document)


def without_empty(type_: str, document: Json) -> Json:
    """Without the empty messages that stand for fields that are not set."""
    dropped = {"ObjectMeta", "ResourceRequirements", "VolumeResourceRequirements"}
    for field in MESSAGES[type_].values():
        empty = document.get(field.name) == {} and not field.mapped
        if empty and (field.type in dropped or field.name == "status"):
            del document[field.name]
    return document


@given(
    st.sampled_from([resource.kind for resource in RESOURCES]).flatmap(
        lambda kind: st.tuples(st.just(kind), messages(kind, 5))
    )
)
def test_what_is_encoded_is_decoded(kind_and_document: tuple[str, Json]) -> None:
    kind, document = kind_and_document
    assert decode(encode({"kind": kind, "apiVersion": "v1", **document})) == {
        "kind": kind,
        "apiVersion": "v1",
        **document,
    }


def test_the_table_knows_the_fields_that_kubernetes_knows() -> None:
    for name, fields in MESSAGES.items():
        if name in TYPES:
            plain = {field.name for field in fields.values() if not field.inlined}
            assert plain <= set(TYPES[name]), name
    for resource in RESOURCES:
        assert set(TYPES[resource.kind]) - {"apiVersion", "kind"} == {f.name for f in MESSAGES[resource.kind].values()}


def hexdumps() -> dict[str, bytes]:
    """The bodies that kubectl printed whole, by the command that sent them."""
    bodies: dict[str, bytes] = {}
    for block in (RECORDED / "kubectl-requests.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        rows = re.findall(r"\b([0-9a-f]{8})  ((?:[0-9a-f]{2} ?| )+) *\|", block)
        data = b"".join(bytes.fromhex(row) for _, row in rows)
        whole = re.search(r"\|\s*\n    Accept", block)
        if data and whole:
            bodies[block.split("`")[1]] = data
    return bodies


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings in {RECORDED}; set PODLEDGER_REFERENCE")
def test_recorded_bodies_of_kubectl_are_decoded() -> None:
    bodies = hexdumps()
    assert decode(bodies["kubectl create job hello --image=busybox -- echo hi"]) == {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": "hello", "namespace": "kt"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [{"name": "hello", "image": "busybox", "command": ["echo", "hi"]}],
                    "restartPolicy": "Never",
                }
            }
        },
    }
    review = decode(bodies["kubectl auth can-i create jobs"])
    assert review["spec"]["resourceAttributes"] == {
        "namespace": "kt",
        "verb": "create",
        "group": "batch",
        "resource": "jobs",
    }


def test_zero_values_are_dropped_unless_their_presence_counts() -> None:
    spec = encode_message("JobSpec", {"parallelism": 0, "suspend": False, "completionMode": "", "template": {}})
    assert decode(frame("batch/v1", "Job", tagged(2, spec)))["spec"] == {
        "parallelism": 0,
        "suspend": False,
        "completionMode": "",
        "template": {},
    }


def test_inlined_messages_belong_to_their_parent() -> None:
    container = {
        "name": "a",
        "env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": False}}}],
        "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 3},
    }
    spec: Json = {
        "containers": [container],
        "volumes": [{"name": "v", "configMap": {"name": "c"}}, {"name": "e", "emptyDir": {}}],
    }
    document = {"kind": "Pod", "apiVersion": "v1", "spec": spec}
    assert decode(encode(document)) == document
    assert inspect_fields("Pod", document)[1].unknown == []


def test_packed_integers_are_read_as_others_are() -> None:
    packed = tagged(3, varint(1) + varint(300) + varint(-1))
    body = frame("batch/v1", "Job", b"")
    assert decode(body) == {"kind": "Job", "apiVersion": "batch/v1"}
    requirement = tagged(2, packed)  # onExitCodes of a rule
    policy = tagged(1, requirement)
    spec = tagged(11, policy)
    document = decode(frame("batch/v1", "Job", tagged(2, spec)))
    assert document["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [1, 300, -1]


def test_fields_of_newer_releases_are_passed_over() -> None:
    metadata = tagged(1, tagged(1, b"a") + tagged(99, b"new") + fixed64(98, 1.5) + varint(97 << 3) + b"\x01")
    assert decode(frame("batch/v1", "Job", metadata))["metadata"] == {"name": "a"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (frame("v1", "Pod", b"\x0a\x7f"), "unexpected EOF"),
        (frame("v1", "Pod", b"\x80" * 11), "integer overflow"),
        (frame("v1", "Pod", b"\x0b"), "illegal wireType 3"),
        (frame("v1", "Pod", b"\x02\x00"), "illegal tag 0"),
        (frame("v1", "Pod", b"\x08\x01"), "wrong wireType = 0 for a message"),
        (frame("v1", "Pod", tagged(1, tagged(1, b"\xff"))), "no UTF-8"),
        (frame("v1", "Pod", tagged(1, tagged(7, b""))), "wrong wireType = 2 for an integer"),
        (frame("v1", "Pod", tagged(1, tagged(8, b"\x08" + varint(2**62)))), "out of range"),
    ],
)
def test_malformed_bodies_are_refused_with_what_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(MalformedProtobuf) as caught:
        decode(data)
    assert message in str(caught.value)
    with pytest.raises(ApiError) as refused:
        decode_body("Pod", "v1", PROTOBUF, data)
    assert refused.value.code == 400


def test_another_kind_is_refused_as_in_json() -> None:
    with pytest.raises(ApiError, match=r"converting \(v1.Pod\) to \(batch.Job\)"):
        decode_body("Job", "batch/v1", PROTOBUF, frame("v1", "Pod", b""))


def refused_or_kind(data: bytes) -> str:
    """What became of a body."""
    try:
        return str(decode(data, "Job")["kind"])
    except (MalformedProtobuf, KeyError):
        return "refused"


WHOLE = encode(
    {"kind": "Job", "apiVersion": "batch/v1", "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
)


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_no_bytes_do_more_than_be_refused(noise: bytes, cut: int, until: int) -> None:
    assert refused_or_kind(frame("batch/v1", "Job", noise)) in ("Job", "refused")
    assert isinstance(refused_or_kind(WHOLE[:cut] + noise + WHOLE[until:]), str)

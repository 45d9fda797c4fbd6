"""Strategic merge, merge and JSON patches: directives and merge keys, bounds, and the refusals in Kubernetes' words."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.merge_patch import merged

from podledger.api.fields import TYPES
from podledger_adapters.server.negotiation import JSON_PATCH, MERGE_PATCH, PATCH_TYPES, STRATEGIC_MERGE_PATCH
from podledger_adapters.server.patch import Patched, PatchRequest, apply_patch
from podledger_adapters.server.patch.json_patch import MAX_OPERATIONS, merge_json
from podledger_adapters.server.patch.merge_rules import ATOMIC_MAPS, ATOMIC_TYPES, LISTS
from podledger_adapters.server.patch.strategic import merge_strategically
from podledger_adapters.store.api_error import ApiError

Json = dict[str, Any]


def job(**spec: Any) -> Json:
    return {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "a", "namespace": "n"}, "spec": spec}


def request(media: str, patch: object, **more: Any) -> PatchRequest:
    data = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
    return PatchRequest("Job", "batch/v1", media, data, "a", namespace="n", **more)


def patched(media: str, patch: object, old: Json, **more: Any) -> Patched:
    before = copy.deepcopy(old)
    result = apply_patch(request(media, patch, **more), old)
    assert old == before
    return result


def refusal(media: str, patch: object, old: Json | None = None, **more: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        patched(media, patch, old or job(parallelism=1), **more)
    return caught.value


def pod_spec(patch: Json, **original: Any) -> Json:
    """A pod's spec with a strategic merge patch."""
    result: Json = merge_strategically("Pod", {"spec": original}, {"spec": patch})["spec"]
    return result


# ---- strategic merge ---------------------------------------------------------------------------------------------


def test_maps_merge_and_null_deletes() -> None:
    patch = {"metadata": {"labels": {"a": "1", "b": None}}, "spec": {"suspend": True, "completions": None}}
    old = job(parallelism=1, completions=3)
    old["metadata"]["labels"] = {"b": "2", "c": "3"}
    document = patched(STRATEGIC_MERGE_PATCH, patch, old).document
    assert document["spec"] == {"parallelism": 1, "suspend": True}
    assert document["metadata"]["labels"] == {"a": "1", "c": "3"}


A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"}


@pytest.mark.parametrize(
    ("patch", "containers"),
    [
        ({"containers": [{"name": "b", "image": "9"}]}, [A, {"name": "b", "image": "9"}]),
        ({"containers": [C]}, [C, A, B]),
        ({"containers": [{"name": "a", "$patch": "delete"}]}, [B]),
        ({"containers": [{"$patch": "replace"}, C]}, [C]),
        ({"containers": None}, None),
        (
            {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "containers": [{"name": "a", "image": "7"}],
            },
            [B, {"name": "a", "image": "7"}],
        ),
        ({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}, [B, A]),
        ({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [C]}, [C, A, B]),
    ],
)
def test_containers_merge_by_name(patch: Json, containers: list[Json] | None) -> None:
    assert pod_spec(patch, containers=[A, B]).get("containers") == containers


@pytest.mark.parametrize(
    ("field", "old", "patch", "new"),
    [
        ("tolerations", [{"key": "a"}], [{"key": "b"}], [{"key": "b"}]),
        ("imagePullSecrets", [{"name": "a"}], [{"name": "b"}], [{"name": "b"}, {"name": "a"}]),
        (
            "hostAliases",
            [{"ip": "1", "hostnames": ["x"]}],
            [{"ip": "1", "hostnames": ["y"]}],
            [{"ip": "1", "hostnames": ["y"]}],
        ),
        ("readinessGates", [{"conditionType": "a"}], [{"conditionType": "b"}], [{"conditionType": "b"}]),
    ],
)
def test_other_lists_of_a_pod(field: str, old: list[Json], patch: list[Json], new: list[Json]) -> None:
    merged_list = pod_spec({field: patch}, **{field: old})[field]
    key = {"imagePullSecrets": "name"}.get(field)
    assert sorted(merged_list, key=lambda item: item[key] if key else "") == sorted(
        new, key=lambda item: item[key] if key else ""
    )


def test_parts_of_a_container_merge_by_their_own_keys() -> None:
    old = {
        "name": "a",
        "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}],
        "ports": [{"containerPort": 80, "name": "http"}],
        "args": ["x"],
    }
    new = {
        "name": "a",
        "env": [{"name": "E", "value": "9"}, {"name": "F", "$patch": "delete"}],
        "ports": [{"containerPort": 80, "protocol": "UDP"}],
        "args": ["y"],
    }
    (container,) = pod_spec({"containers": [new]}, containers=[old])["containers"]
    assert container == {
        "name": "a",
        "env": [{"name": "E", "value": "9"}],
        "ports": [{"containerPort": 80, "name": "http", "protocol": "UDP"}],
        "args": ["y"],
    }


def test_volumes_retain_the_keys_they_are_told_to() -> None:
    old: list[Json] = [{"name": "v", "emptyDir": {}}]
    patch = [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]
    assert pod_spec({"volumes": patch}, volumes=old)["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]


def test_finalizers_are_plain_values_that_merge() -> None:
    metadata = {"finalizers": ["a", "b"]}
    patch: Json = {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}
    result = merge_strategically("Job", {"metadata": metadata}, {"metadata": patch})["metadata"]
    assert sorted(result["finalizers"]) == ["b", "c"]
    order = {"$setElementOrder/finalizers": ["b", "a"]}
    assert merge_strategically("Job", {"metadata": metadata}, {"metadata": order})["metadata"]["finalizers"] == [
        "b",
        "a",
    ]


def test_conditions_of_a_job_merge_by_type() -> None:
    old = {"status": {"conditions": [{"type": "Suspended", "status": "True", "reason": "r"}]}}
    patch = {"status": {"conditions": [{"type": "Suspended", "status": "False"}, {"type": "Failed", "status": "True"}]}}
    assert merge_strategically("Job", old, patch)["status"]["conditions"] == [
        {"type": "Suspended", "status": "False", "reason": "r"},
        {"type": "Failed", "status": "True"},
    ]


def test_a_map_can_be_replaced_or_emptied() -> None:
    old = {"nodeSelector": {"a": "1"}, "securityContext": {"runAsUser": 1}}
    patch = {"nodeSelector": {"$patch": "replace", "b": "2"}, "securityContext": {"$patch": "delete"}}
    assert pod_spec(patch, **old) == {"nodeSelector": {"b": "2"}, "securityContext": {}}


def test_what_is_new_comes_without_nulls_and_directives() -> None:
    patch = {"containers": [{"name": "a", "image": None, "$retainKeys": ["name"]}, {"name": "b", "$patch": "delete"}]}
    assert pod_spec(patch) == {"containers": [{"name": "a"}]}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"spec": {"$patch": "frobnicate"}}, "unknown patch type: 'frobnicate' in map: map[]"),
        (
            {"spec": {"template": {"spec": {"containers": [{"$patch": "merge"}]}}}},
            "merging lists cannot yet be specified",
        ),
        (
            {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}},
            "map: map[image:x] does not contain declared merge key: name",
        ),
        ({"spec": {"template": {"spec": {"containers": ["x"]}}}}, "invalid JSON document"),
        ({"spec": {"$retainKeys": 1}}, "invalid patch format of retainKeys"),
        ({"spec": {"$retainKeys": [], "suspend": True}}, "invalid patch format of retainKeys"),
        ({"metadata": {"$setElementOrder/finalizers": 1}}, "invalid patch format of setElementOrder list"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": 1}}, "invalid patch format of primitive list"),
    ],
)
def test_directives_that_cannot_be_followed(patch: Json, message: str) -> None:
    old = job(parallelism=1, template={"spec": {"containers": [A]}})
    old["metadata"]["finalizers"] = ["x/y"]
    error = refusal(STRATEGIC_MERGE_PATCH, patch, old)
    assert error.code == 400
    assert error.message.startswith(message)


# ---- merge and JSON patches --------------------------------------------------------------------------------------


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.sampled_from("abc"), values, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


@given(objects, objects)
def test_merge_patches_are_those_of_the_rfc(original: Json, patch: Json) -> None:
    assert merge_json(original, patch) == merged(original, patch)


def test_operations_of_a_json_patch() -> None:
    operations = [
        {"op": "test", "path": "/spec/parallelism", "value": 1},
        {"op": "replace", "path": "/spec/parallelism", "value": 2},
        {"op": "add", "path": "/metadata/labels", "value": {"a~b/c": "1"}},
        {"op": "copy", "from": "/metadata/labels/a~0b~1c", "path": "/metadata/labels/d"},
        {"op": "move", "from": "/spec/suspend", "path": "/spec/manualSelector"},
        {"op": "remove", "path": "/metadata/labels/d"},
    ]
    document = patched(JSON_PATCH, operations, job(parallelism=1, suspend=True)).document
    assert document["spec"] == {"parallelism": 2, "manualSelector": True}
    assert document["metadata"]["labels"] == {"a~b/c": "1"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/parallelism", "value": 7},
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/nothing", "value": 1},
        {"op": "add", "path": "/spec/parallelism/x/y", "value": 1},
        {"op": "frobnicate", "path": "/spec"},
        {"op": "add", "path": "spec", "value": 1},
        {"op": "add", "path": "/spec/x"},
        {"op": "move", "path": "/spec/x"},
        {"op": "copy", "path": "/spec/x", "from": 7},
        {"op": "add", "path": 7, "value": 1},
        {},
    ],
)
def test_an_operation_that_fails_fails_them_all(operation: Json) -> None:
    error = refusal(JSON_PATCH, [{"op": "add", "path": "/spec/suspend", "value": True}, operation])
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == "the server rejected our request due to an error in our request"


def test_what_json_patches_may_cost_is_bounded() -> None:
    test = {"op": "test", "path": "/kind", "value": "Job"}
    error = refusal(JSON_PATCH, [test] * (MAX_OPERATIONS + 1))
    assert (error.code, error.message) == (
        413,
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    )
    grow = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "x" * 1000}}]
    grow += [{"op": "copy", "from": "/metadata", "path": f"/metadata/annotations/{number}"} for number in range(30)]
    assert refusal(JSON_PATCH, grow).code == 422


def test_moves_cannot_bury_a_value() -> None:
    down: list[Json] = [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    for _ in range(400):
        down += [
            {"op": "add", "path": "/x", "value": {}},
            {"op": "move", "from": "/metadata/annotations", "path": "/x/a"},
            {"op": "move", "from": "/x", "path": "/metadata/annotations"},
        ]
    assert refusal(JSON_PATCH, down).code == 422


def test_a_whole_document_replaced_by_another_kind_of_value_is_refused() -> None:
    assert refusal(JSON_PATCH, [{"op": "replace", "path": "", "value": 1}]).code == 422


# ---- all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media", "data", "message"),
    [
        (STRATEGIC_MERGE_PATCH, b"{", "error decoding patch: unexpected end of JSON input"),
        (MERGE_PATCH, b"[]", "error decoding patch: json: cannot unmarshal array into Go value of type map["),
        (
            STRATEGIC_MERGE_PATCH,
            b"null",
            "error decoding patch: json: cannot unmarshal null into Go value of type map[",
        ),
        (
            JSON_PATCH,
            b"{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch",
        ),
        (JSON_PATCH, b"[1]", "error decoding patch: json: cannot unmarshal"),
        (JSON_PATCH, b"[" * 500, "error decoding patch: exceeded max depth"),
    ],
)
def test_what_is_no_patch_is_a_bad_request(media: str, data: bytes, message: str) -> None:
    error = refusal(media, data)
    assert error.code == 400
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"metadata": {"name": "b"}}, "the name of the object (b) does not match the name on the URL (a)"),
        ({"metadata": None}, "the name of the object () does not match the name on the URL (a)"),
        (
            {"metadata": {"namespace": "m"}},
            "the namespace of the object (m) does not match the namespace on the URL (n)",
        ),
    ],
)
def test_an_object_keeps_its_place(patch: Json, message: str) -> None:
    for media in (MERGE_PATCH, STRATEGIC_MERGE_PATCH):
        assert refusal(media, patch).message == message


def test_an_object_keeps_its_kind() -> None:
    error = refusal(MERGE_PATCH, {"kind": "Foo"})
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith(' "" is invalid: patch: Invalid value: ')
    assert error.message.endswith(
        'no kind "Foo" is registered for version "batch/v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    )
    assert patched(MERGE_PATCH, {"kind": None, "apiVersion": None}, job(suspend=True)).document["kind"] == "Job"


def test_unknown_fields_are_refused_warned_of_or_dropped() -> None:
    patch = {"spec": {"foo": 1, "suspend": True}}
    error = refusal(STRATEGIC_MERGE_PATCH, patch, validation="Strict")
    assert error.code == 422
    assert error.message == (
        ' "" is invalid: patch: Invalid value: "map[spec:map[foo:1 suspend:true]]": strict decoding error: '
        'unknown field "spec.foo"'
    )
    result = patched(MERGE_PATCH, patch, job())
    assert (result.document["spec"], result.warnings) == ({"suspend": True}, ('unknown field "spec.foo"',))
    assert patched(MERGE_PATCH, patch, job(), validation="Ignore").warnings == ()
    twice = patched(MERGE_PATCH, b'{"spec": {"suspend": false, "suspend": true}}', job())
    assert twice.warnings == ('duplicate field "spec.suspend"',)


def test_wrong_types_are_blamed_on_the_patch() -> None:
    error = refusal(MERGE_PATCH, {"spec": {"parallelism": "2"}}, validation="Ignore")
    assert error.code == 422
    assert error.message.endswith(
        "json: cannot unmarshal string into Go struct field JobSpec.spec.parallelism of type int32"
    )


def test_force_is_for_applies_only() -> None:
    for force in (True, False):
        assert refusal(MERGE_PATCH, {}, force=force).message == (
            'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
        )


wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["delete", "replace", "merge", "x"]),
    lambda values: st.lists(values, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["metadata", "spec", "template", "containers", "finalizers", "name", "env", "$patch", "$retainKeys", "op",
             "path", "value", "from", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "status"]
        ),
        values,
        max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip


@given(wild, st.sampled_from(PATCH_TYPES))
def test_no_patch_does_more_than_be_refused(patch: object, media: str) -> None:
    old = job(parallelism=1, template={"spec": {"containers": [{**A, "env": [{"name": "E"}]}]}})
    old["metadata"]["finalizers"] = ["x/y"]
    assert outcome(request(media, patch, manager="m", now="2030-01-01T00:00:00Z"), old) in ("a", 400, 413, 422, 500)


def outcome(request: PatchRequest, old: Json) -> object:
    """The name of the patched object, or the code of the refusal."""
    try:
        return apply_patch(request, old).document["metadata"]["name"]
    except ApiError as error:
        return error.code


def test_the_rules_speak_of_fields_there_are() -> None:
    for type_, field in (*LISTS, *ATOMIC_MAPS):
        assert TYPES[type_][field].startswith(("[]", "map[]"))
    for (type_, field), rule in LISTS.items():
        item = TYPES[type_][field].removeprefix("[]")
        assert set(rule.keys) | ({rule.patch_key} if rule.patch_key else set()) <= set(TYPES.get(item, {}))
    assert set(TYPES) >= ATOMIC_TYPES

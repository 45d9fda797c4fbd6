"""Server-side apply: ownership, conflicts, removal of what is no longer stated. https://kubernetes.io/docs/reference/
using-api/server-side-apply/ has the rules.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger.api.document import job_document, job_from_document
from podledger_adapters.server.negotiation import APPLY_PATCH
from podledger_adapters.server.patch import (
    PatchRequest,
    apply_patch,
    managed_fields_of_create,
    managed_fields_of_update,
)
from podledger_adapters.server.patch.field_set import from_fields_v1, path_text
from podledger_adapters.store.api_error import ApiError

Json = dict[str, Any]
NOW, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:00:09Z"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def configuration(spec: Json, **metadata: Any) -> Json:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", **metadata}, "spec": spec}


def apply(
    live: Json | None,
    config: Json,
    manager: str = "m",
    *,
    force: bool | None = None,
    now: str = NOW,
    subresource: str = "",
) -> Json:
    request = PatchRequest(
        kind="Job",
        api_version="batch/v1",
        media_type=APPLY_PATCH,
        data=json.dumps(config).encode(),
        name="a",
        manager=manager,
        force=force,
        now=now,
        subresource=subresource,
    )
    return apply_patch(request, live).document


def created(spec: Json, manager: str = "kubectl-client-side-apply", **metadata: Any) -> Json:
    document = configuration(spec, **metadata)
    document["metadata"]["managedFields"] = managed_fields_of_create("Job", document, manager, NOW)
    return document


def owners(document: Json) -> dict[str, set[str]]:
    entries = document["metadata"].get("managedFields", [])
    return {one["manager"]: {path_text(path) for path in from_fields_v1(one["fieldsV1"])} for one in entries}


def stored(document: Json) -> Json:
    """The document as the server keeps it."""
    return job_document(job_from_document(document))


def pod_template(*containers: Json, **spec: Any) -> Json:
    return {"template": {"spec": {"containers": list(containers), **spec}}}


def test_an_apply_of_nothing_creates_and_owns_what_it_states() -> None:
    document = apply(None, configuration({"parallelism": 2, **pod_template({"name": "c", "image": "i"})}))
    entry = document["metadata"].pop("managedFields")
    assert document == configuration({"parallelism": 2, **pod_template({"name": "c", "image": "i"})})
    assert entry == [
        {
            "manager": "m",
            "operation": "Apply",
            "apiVersion": "batch/v1",
            "time": NOW,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    "f:parallelism": {},
                    "f:template": {
                        "f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}}}
                    },
                }
            },
        }
    ]


def test_a_configuration_in_yaml_without_a_name_takes_it_from_the_path() -> None:
    data = b"apiVersion: batch/v1\nkind: Job\nspec:\n  parallelism: 2\n"
    request = PatchRequest("Job", "batch/v1", APPLY_PATCH, data, "a", namespace="n", manager="m", now=NOW)
    document = apply_patch(request, None).document
    assert (document["metadata"]["name"], document["metadata"]["namespace"]) == ("a", "n")


def test_what_others_set_to_another_value_is_a_conflict_in_kubernetes_words() -> None:
    live = created({"parallelism": 1})
    with pytest.raises(ApiError) as caught:
        apply(live, configuration({"parallelism": 2}))
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using batch/v1: .spec.parallelism'
    )
    assert caught.value.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-client-side-apply" using batch/v1',
                "field": ".spec.parallelism",
            }
        ]
    }


def test_several_conflicts_are_listed_by_manager() -> None:
    live = created({"parallelism": 1, "suspend": True}, "a")
    with_status = {**live, "spec": {**live["spec"], "completions": 1}}
    with_status["metadata"] = {
        **live["metadata"],
        "managedFields": managed_fields_of_update("Job", live, with_status, "b", NOW),
    }
    with pytest.raises(ApiError) as caught:
        apply(with_status, configuration({"parallelism": 2, "suspend": False, "completions": 2}))
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "a" using batch/v1:\n- .spec.parallelism\n- .spec.suspend\n'
        'conflicts with "b" using batch/v1:\n- .spec.completions'
    )


def test_the_manager_of_an_apply_is_named_alone() -> None:
    live = apply(None, configuration({"parallelism": 1}), "one")
    with pytest.raises(ApiError, match=r'^Apply failed with 1 conflict: conflict with "one": \.spec\.parallelism$'):
        apply(live, configuration({"parallelism": 2}), "two")


def test_force_takes_over() -> None:
    live = created({"parallelism": 1, "suspend": True})
    document = apply(live, configuration({"parallelism": 2}), force=True, now=LATER)
    assert document["spec"] == {"parallelism": 2, "suspend": True}
    assert owners(document) == {"kubectl-client-side-apply": {".spec.suspend"}, "m": {".spec.parallelism"}}


def test_the_same_value_is_shared_without_conflict() -> None:
    document = apply(created({"parallelism": 1}, "a"), configuration({"parallelism": 1}))
    assert owners(document) == {"a": {".spec.parallelism"}, "m": {".spec.parallelism"}}


def test_what_is_no_longer_stated_goes_unless_others_own_it() -> None:
    live = apply(
        None, configuration({"parallelism": 1, "completions": 2, "suspend": True}, labels={"x": "1", "y": "2"})
    )
    live = apply(live, configuration({"completions": 2}), "other")
    document = apply(live, configuration({"parallelism": 1}, labels={"y": "2"}), now=LATER)
    assert document["spec"] == {"parallelism": 1, "completions": 2}
    assert document["metadata"]["labels"] == {"y": "2"}
    assert owners(document) == {
        "m": {".spec.parallelism", ".metadata.labels.y"},
        "other": {".spec.completions"},
    }


def test_items_of_lists_are_owned_one_by_one() -> None:
    first, second = {"name": "a", "image": "i"}, {"name": "b", "image": "j", "env": [{"name": "E", "value": "1"}]}
    live = apply(None, configuration(pod_template(first)), "one")
    live = apply(live, configuration(pod_template(second)), "two")
    assert live["spec"]["template"]["spec"]["containers"] == [first, second]
    live = apply(live, configuration(pod_template({"name": "b", "image": "k"})), "two")
    assert live["spec"]["template"]["spec"]["containers"] == [first, {"name": "b", "image": "k"}]
    live = apply(live, configuration(pod_template()), "one")
    assert live["spec"]["template"]["spec"]["containers"] == [{"name": "b", "image": "k"}]


def test_ports_are_told_apart_by_number_and_protocol() -> None:
    ports = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]
    live = apply(None, configuration(pod_template({"name": "a", "ports": ports})))
    owned = owners(live)["m"]
    base = '.spec.template.spec.containers[name="a"].ports[containerPort=53,protocol="{}"]'
    assert {base.format("TCP"), base.format("UDP")} <= owned


def test_finalizers_are_a_set_and_tolerations_a_whole() -> None:
    live = apply(None, configuration({}, finalizers=["x/a"]), "one")
    live = apply(live, configuration({}, finalizers=["x/b"]), "two")
    assert live["metadata"]["finalizers"] == ["x/a", "x/b"]
    live = apply(live, configuration({}), "one")
    assert live["metadata"]["finalizers"] == ["x/b"]
    live = apply(live, configuration(pod_template(tolerations=[{"key": "k"}])), "one")
    with pytest.raises(ApiError, match=r"\.spec\.template\.spec\.tolerations$"):
        apply(live, configuration(pod_template(tolerations=[{"key": "l"}])), "two")


def test_the_same_again_changes_nothing_not_even_the_time() -> None:
    config = configuration({"parallelism": 1})
    live = apply(None, config)
    assert apply(live, config, now=LATER) == live


def test_what_the_server_does_not_keep_is_no_change() -> None:
    limits = {"limits": {"memory": "1024Mi"}}
    config = configuration({"parallelism": 1, **pod_template({"name": "c", "resources": limits})}, labels={})
    old = stored(apply(None, config))
    assert stored(apply(old, config, now=LATER)) == old


def test_defaults_that_the_server_added_stay() -> None:
    live = apply(None, configuration({"parallelism": 1, **pod_template({"name": "c"})}))
    live["spec"]["backoffLimit"] = 6
    live["spec"]["template"]["spec"]["containers"][0]["resources"] = {}
    document = apply(live, configuration({"parallelism": 1, **pod_template({"name": "c"})}), now=LATER)
    assert document["spec"] == live["spec"]


def test_an_object_nobody_managed_is_owned_by_who_was_there_before() -> None:
    document = apply(configuration({"parallelism": 1, "suspend": True}), configuration({"parallelism": 1}))
    assert owners(document) == {
        "before-first-apply": {".spec.parallelism", ".spec.suspend"},
        "m": {".spec.parallelism"},
    }


def test_the_status_is_not_owned_through_the_main_resource() -> None:
    config = {**configuration({"parallelism": 1}), "status": {"active": 1}}
    assert owners(apply(None, config)) == {"m": {".spec.parallelism"}}
    live = apply(None, configuration({"parallelism": 1}))
    entries = apply(live, config, subresource="status")["metadata"]["managedFields"]
    assert [(one["manager"], one.get("subresource", "")) for one in entries] == [("m", ""), ("m", "status")]


def test_kubectl_takes_over_from_its_own_client_side_apply() -> None:
    spec = {"parallelism": 1, "completions": 1}
    text = json.dumps(configuration(spec))
    live = created(spec, annotations={LAST_APPLIED: text})
    config = configuration({"parallelism": 2})
    document = apply(live, config, "kubectl")
    assert document["spec"]["parallelism"] == 2
    assert json.loads(document["metadata"]["annotations"][LAST_APPLIED]) == config
    with pytest.raises(ApiError, match="Apply failed with 1 conflict"):
        apply(live, config, "another")


def test_what_somebody_changed_since_is_a_conflict_for_kubectl_too() -> None:
    live = created({"parallelism": 1}, annotations={LAST_APPLIED: json.dumps(configuration({"parallelism": 7}))})
    with pytest.raises(ApiError, match=r"\.spec\.parallelism$"):
        apply(live, configuration({"parallelism": 2}), "kubectl")
    broken = created({"parallelism": 1}, annotations={LAST_APPLIED: "{"})
    with pytest.raises(ApiError, match=r"\.spec\.parallelism$"):
        apply(broken, configuration({"parallelism": 2}), "kubectl")


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        (
            {**configuration({}), "apiVersion": "batch/v1beta1"},
            400,
            "Incorrect version specified in apply patch. Specified patch version: batch/v1beta1, expected: batch/v1",
        ),
        (configuration({}, managedFields=[{"manager": "x"}]), 400, "metadata.managedFields must be nil"),
        (
            configuration({"foo": 1}),
            500,
            "failed to create typed patch object (/a; batch/v1, Kind=Job): .spec.foo: field not declared in schema",
        ),
        (
            configuration(pod_template({"name": "c"}, {"name": "c"})),
            500,
            "failed to create typed patch object (/a; batch/v1, Kind=Job): .spec.template.spec.containers: "
            'duplicate entries for key {"name":"c"}',
        ),
        (
            configuration(pod_template({"image": "i"})),
            500,
            "failed to create typed patch object (/a; batch/v1, Kind=Job): .spec.template.spec.containers: element 0: "
            'associative list with keys has an element that omits key field "name"',
        ),
    ],
)
def test_configurations_that_cannot_be_applied(config: Json, code: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        apply(None, config)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_an_apply_needs_a_manager() -> None:
    with pytest.raises(ApiError) as caught:
        apply(None, configuration({}), "")
    assert caught.value.message == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


@pytest.mark.parametrize("data", [b"{", b"[1]", b"a: b: c", b"\xff"])
def test_what_is_no_configuration_is_a_bad_request(data: bytes) -> None:
    request = PatchRequest("Job", "batch/v1", APPLY_PATCH, data, "a", manager="m", now=NOW)
    with pytest.raises(ApiError) as caught:
        apply_patch(request, None)
    assert caught.value.code == 400


images = st.sampled_from("xy")
containers: st.SearchStrategy[list[Json]] = st.dictionaries(st.sampled_from("abc"), images, max_size=3).map(
    lambda found: [{"name": name, "image": image} for name, image in found.items()]
)
optional: dict[str, st.SearchStrategy[Any]] = {
    "parallelism": st.integers(1, 2),
    "suspend": st.booleans(),
    "template": containers.map(lambda found: {"spec": {"containers": found}}),
}
specs: st.SearchStrategy[Json] = st.fixed_dictionaries({}, optional=optional)
# An empty map would be owned as such, as in Kubernetes, though the server keeps none.
labels = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), min_size=1)
turns = st.lists(st.tuples(st.sampled_from(["one", "two"]), specs, labels), min_size=1, max_size=6)


@given(turns)
def test_whoever_applies_last_by_force_has_what_it_states(turns: list[tuple[str, Json, dict[str, str]]]) -> None:
    live: Json | None = None
    for manager, spec, wanted in turns:
        config = configuration(spec, labels=wanted)
        live = stored(apply(live, config, manager, force=True))
        assert stored(apply(live, config, manager)) == live
        assert wanted.items() <= live["metadata"].get("labels", {}).items()
        assert (spec.keys() - {"template"}) <= live["spec"].keys()
        assert all(live["spec"][field] == spec[field] for field in spec.keys() - {"template"})
    assert live is not None
    # Everyone lets go: nothing is left.
    for manager in ("one", "two"):
        config = configuration({})
        del config["spec"]
        live = stored(apply(live, config, manager))
    assert live["spec"] == stored(configuration({}))["spec"]
    assert "labels" not in live["metadata"]
    assert owners(live).keys() <= {"before-first-apply"}

"""OpenAPI documents: whole, consistent with themselves, and with what kubectl looks for in them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from podledger.api.fields import TYPES
from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.openapi import OpenApi
from podledger_adapters.server.openapi.api_text import type_texts
from podledger_adapters.server.resource import RESOURCES, of_kind

Json = dict[str, Any]
API = OpenApi()
DOCUMENTS = {name: API.document(name) for name in API.names}
BATCH = DOCUMENTS["apis/batch/v1"]
JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"


def values(document: object, key: str) -> Iterator[Any]:
    """All values of a key, anywhere."""
    if is_object(document):
        for name, value in document.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif is_array(document):
        for item in document:
            yield from values(item, key)


def schema(name: str) -> Json:
    found: Json = BATCH["components"]["schemas"][name]
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_somewhere_and_every_schema_is_used(name: str) -> None:
    document = DOCUMENTS[name]
    used = {reference.removeprefix("#/components/schemas/") for reference in values(document, "$ref")}
    assert used == set(document["components"]["schemas"])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_operations_have_names_of_their_own_and_know_their_parameters(name: str) -> None:
    ids = list(values(DOCUMENTS[name], "operationId"))
    assert len(ids) == len(set(ids))
    for path, item in DOCUMENTS[name]["paths"].items():
        declared = {parameter["name"] for parameter in item.get("parameters", [])}
        assert declared == set(re.findall(r"{(\w+)}", path))
        assert all("default" in operation["responses"] for key, operation in item.items() if key != "parameters")


def test_the_index_changes_with_what_it_lists() -> None:
    paths = API.index()["paths"]
    assert set(paths) == {"api/v1", "apis/authorization.k8s.io/v1", "apis/batch/v1", "apis/coordination.k8s.io/v1"}
    url = paths["apis/batch/v1"]["serverRelativeURL"]
    assert re.fullmatch(r"/openapi/v3/apis/batch/v1\?hash=[0-9A-F]{64}", url)
    fewer = OpenApi([of_kind("Job")]).index()["paths"]
    assert set(fewer) == {"apis/batch/v1"}
    assert fewer["apis/batch/v1"]["serverRelativeURL"] != url
    assert json.loads(API.encoded("apis/batch/v1")) == BATCH
    with pytest.raises(KeyError):
        API.encoded("apis/apps/v1")


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_kubectl_finds_the_field_validation_of_every_kind_that_can_be_patched(resource: Any) -> None:
    document = DOCUMENTS[resource.path.removeprefix("/")]
    kind = {"group": resource.group, "kind": resource.kind, "version": resource.version}
    patches = [item["patch"] for item in document["paths"].values() if "patch" in item]
    ours = [patch for patch in patches if patch["x-kubernetes-group-version-kind"] == kind]
    assert bool(ours) == ("patch" in resource.verbs)
    assert all("fieldValidation" in {each["name"] for each in patch["parameters"]} for patch in ours)


def test_kubectl_explain_finds_kinds_by_their_paths() -> None:
    assert BATCH["paths"][JOBS]["get"]["x-kubernetes-group-version-kind"]["kind"] == "Job"
    job = schema("io.k8s.api.batch.v1.Job")
    assert job["x-kubernetes-group-version-kind"] == [{"group": "batch", "kind": "Job", "version": "v1"}]
    backoff = schema("io.k8s.api.batch.v1.JobSpec")["properties"]["backoffLimit"]
    assert backoff == {
        "type": "integer",
        "format": "int32",
        "description": "Specifies the number of retries before marking this job failed. Defaults to 6, unless "
        "backoffLimitPerIndex (only Indexed Job) is specified. When backoffLimitPerIndex is specified, backoffLimit "
        "defaults to 2147483647.",
    }


def test_schemas_have_every_field_and_say_which_are_required() -> None:
    for document in DOCUMENTS.values():
        for name, found in document["components"]["schemas"].items():
            type_ = name.rpartition(".")[2]
            if type_ in TYPES:
                assert set(found["properties"]) == set(TYPES[type_])
                assert set(found.get("required", [])) <= set(TYPES[type_])
    assert schema("io.k8s.api.batch.v1.JobSpec")["required"] == ["template"]
    assert set(type_texts()) == set(TYPES)


def test_lists_say_how_they_merge() -> None:
    pod = schema("io.k8s.api.core.v1.PodSpec")["properties"]
    assert {key: value for key, value in pod["volumes"].items() if key.startswith("x-")} == {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-patch-strategy": "merge,retainKeys",
    }
    ports = schema("io.k8s.api.core.v1.Container")["properties"]["ports"]
    assert ports["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]
    assert ports["x-kubernetes-patch-merge-key"] == "containerPort"
    assert pod["tolerations"]["x-kubernetes-list-type"] == "atomic"
    assert pod["nodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert schema("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector")["x-kubernetes-map-type"] == "atomic"


def test_every_verb_of_every_resource_has_an_operation() -> None:
    for resource in RESOURCES:
        document = DOCUMENTS[resource.path.removeprefix("/")]
        ids = set(values(document, "operationId"))
        for verb in set(resource.verbs) - {"watch"}:
            assert any(name.startswith(verb) and name.endswith(resource.kind) for name in ids), (resource.kind, verb)
        base = f"{resource.path}/namespaces/{{namespace}}" if resource.namespaced else resource.path
        for part in resource.subresources:
            assert f"{base}/{resource.plural}/{{name}}/{part.name}" in document["paths"]

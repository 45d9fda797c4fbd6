"""OpenAPI documents: whole, consistent with themselves, and with what kubectl looks for in them."""

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from podledger.api.fields import TYPES
from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.openapi import OpenApi, descriptions
from podledger_adapters.server.openapi.descriptions import FILES, field_text, type_text
from podledger_adapters.server.openapi.required import required_fields
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
    spec = schema("io.k8s.api.batch.v1.JobSpec")
    assert spec["description"] == type_text("JobSpec") != ""
    assert spec["properties"]["backoffLimit"] == {
        "type": "integer",
        "format": "int32",
        "description": field_text("JobSpec", "backoffLimit"),
    }


def test_every_description_is_of_a_field_that_exists_and_is_one_line() -> None:
    folder = resources.files(descriptions)
    for file in FILES:
        for type_, texts in json.loads(folder.joinpath(file).read_text(encoding="utf-8")).items():
            assert set(texts) <= {"", *TYPES[type_]}, type_
            for field, text in texts.items():
                assert re.fullmatch(r"[^\s].*[.]", text), (type_, field)


@pytest.mark.parametrize("type_", ["JobSpec", "JobStatus", "CronJobSpec", "CronJobStatus", "PodFailurePolicyRule"])
def test_every_field_that_is_the_jobs_own_has_a_description(type_: str) -> None:
    assert [field for field in TYPES[type_] if not field_text(type_, field)] == []


def test_what_has_no_text_has_no_description() -> None:
    assert field_text("PodSpec", "runtimeClassName") == field_text("ScaleIOVolumeSource", "gateway") == ""
    assert "description" not in schema("io.k8s.api.core.v1.PodSpec")["properties"]["runtimeClassName"]


def test_schemas_have_every_field_and_say_which_are_required() -> None:
    for document in DOCUMENTS.values():
        for name, found in document["components"]["schemas"].items():
            type_ = name.rpartition(".")[2]
            if type_ in TYPES:
                assert set(found["properties"]) == set(TYPES[type_])
                assert set(found.get("required", [])) <= set(TYPES[type_])
    assert schema("io.k8s.api.batch.v1.JobSpec")["required"] == ["template"]
    assert list(required_fields("OwnerReference")) == ["apiVersion", "kind", "name", "uid"]


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

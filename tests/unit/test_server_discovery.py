"""Discovery and /version: the same shape as recorded of a real API server, in both forms."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from podledger_adapters.server import discovery
from podledger_adapters.server.resource import RESOURCES, find, of_kind

RECORDED = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared")) / "recorded"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings in {RECORDED}; set PODLEDGER_REFERENCE")

Json = dict[str, Any]


def read(name: str) -> Json:
    document: Json = json.loads((RECORDED / name).read_text(encoding="utf-8"))
    return document


def by_name(entries: list[Json], key: str) -> dict[str, Json]:
    return {entry[key]: entry for entry in entries}


def aggregated_resources(document: Json, group: str) -> dict[str, Json]:
    (found,) = (item for item in document["items"] if item["metadata"].get("name", "") == group)
    return by_name(found["versions"][0]["resources"], "resource")


@recorded
@pytest.mark.parametrize(
    ("file", "group"),
    [
        ("discovery-api.json", ""),
        ("discovery-apis-some-groups.json", "batch"),
        ("discovery-apis-some-groups.json", "coordination.k8s.io"),
    ],
)
def test_aggregated_discovery_says_of_our_resources_what_a_real_server_says(file: str, group: str) -> None:
    theirs = aggregated_resources(read(file), group)
    ours = aggregated_resources(discovery.aggregated(core=not group), group)
    assert ours
    for name, resource in ours.items():
        parts = by_name(resource.get("subresources", []), "subresource")
        real = theirs[name]
        known = by_name(real.get("subresources", []), "subresource")
        assert parts == {part: known[part] for part in parts}
        without = {key: value for key, value in real.items() if key != "subresources"}
        assert {key: value for key, value in resource.items() if key != "subresources"} == without


@recorded
def test_the_older_form_is_that_of_a_real_server() -> None:
    real = read("discovery-legacy-batch-v1.json")
    ours = discovery.resource_list("batch/v1")
    assert ours is not None
    for entry in [*real["resources"], *ours["resources"]]:
        entry.pop("storageVersionHash", None)
    assert ours == real
    assert set(discovery.api_versions("127.0.0.1:8443")) == set(read("discovery-legacy-api.json"))


@recorded
def test_the_version_has_every_key_and_the_minor_of_a_real_server() -> None:
    real, ours = read("version.json"), discovery.version_info("0.1.0")
    assert list(ours) == list(real)
    assert (ours["major"], ours["minor"]) == (real["major"], real["minor"])
    assert ours["gitVersion"] == real["gitVersion"] + "+podledger-0.1.0"


def test_groups_lead_to_their_versions_and_these_to_resources() -> None:
    groups = by_name(discovery.group_list()["groups"], "name")
    assert list(groups) == ["authorization.k8s.io", "batch", "coordination.k8s.io"]
    for name, entry in groups.items():
        whole = discovery.group(name)
        assert whole is not None
        assert {"kind": "APIGroup", "apiVersion": "v1", **entry} == whole
        assert discovery.resource_list(entry["preferredVersion"]["groupVersion"]) is not None
    assert discovery.group("apps") is None
    assert discovery.resource_list("batch/v1beta1") is None


def test_a_server_that_serves_less_says_less() -> None:
    jobs = [of_kind("Job")]
    assert [item["metadata"] for item in discovery.aggregated(core=False, resources=jobs)["items"]] == [
        {"name": "batch"}
    ]
    assert discovery.root_paths(jobs)["paths"][-1] == "/version"
    assert "/apis/batch/v1" in discovery.root_paths(jobs)["paths"]


def test_resources_are_found_by_their_paths() -> None:
    for resource in RESOURCES:
        assert find(resource.group, resource.version, resource.plural) is resource
    assert find("batch", "v1beta1", "cronjobs") is None
    assert of_kind("Pod").subresource("exec") is None

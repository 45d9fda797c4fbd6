"""managedFields of writes that are no apply: against what a real API server recorded, and rule by rule."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.merge_patch import merged

from podledger.api.defaults import with_defaults
from podledger.api.document import job_document, job_from_document
from podledger_adapters.server.patch import managed_fields_of_create, managed_fields_of_update
from podledger_adapters.server.patch.field_set import fields_v1, from_fields_v1, path_text

RECORDED = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared")) / "recorded"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings in {RECORDED}; set PODLEDGER_REFERENCE")

Json = dict[str, Any]
NOW, LATER = "2030-01-01T00:00:00Z", "2030-01-01T00:00:09Z"


def read(name: str) -> Json:
    document: Json = json.loads((RECORDED / name).read_text(encoding="utf-8"))
    return document["items"][0] if "items" in document else document


def entry(document: Json, number: int = 0) -> Json:
    found: Json = document["metadata"]["managedFields"][number]
    return found


@recorded
def test_a_job_that_kubectl_applies_is_managed_as_recorded() -> None:
    stored = read("stored-job.json")
    annotations = stored["metadata"]["annotations"]
    applied = json.loads(annotations["kubectl.kubernetes.io/last-applied-configuration"])
    manifest = merged(applied, {"metadata": {"annotations": annotations}})
    created = job_document(with_defaults(job_from_document(manifest)))
    theirs = entry(stored, 1)
    ours = managed_fields_of_create("Job", created, theirs["manager"], theirs["time"])
    assert ours == [theirs]
    # Then the controller writes the status.
    before = {**stored, "metadata": {**stored["metadata"], "managedFields": ours}, "status": {}}
    after = {**before, "status": stored["status"]}
    status = entry(stored, 0)
    now_managed = managed_fields_of_update(
        "Job", before, after, status["manager"], status["time"], subresource="status"
    )
    assert now_managed == stored["metadata"]["managedFields"]


@recorded
@pytest.mark.parametrize(
    ("kind", "file", "extra"),
    [
        ("CronJob", "stored-cronjob.json", ()),
        ("Pod", "stored-pod-list.json", ("tolerations", "priority", "preemptionPolicy")),
        ("Event", "stored-event-list.json", ()),
    ],
)
def test_created_objects_are_managed_as_recorded(kind: str, file: str, extra: tuple[str, ...]) -> None:
    stored = read(file)
    theirs = entry(stored)
    created = json.loads(json.dumps(stored))
    created["apiVersion"] = theirs["apiVersion"]
    for added_by_admission in extra:
        del created["spec"][added_by_admission]
    created["metadata"].pop("managedFields")
    assert managed_fields_of_create(kind, created, theirs["manager"], theirs["time"]) == [theirs]


def job(**spec: Any) -> Json:
    return {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "a"}, "spec": spec}


def managed(document: Json, entries: list[Json]) -> Json:
    return {**document, "metadata": {**document["metadata"], "managedFields": entries}}


def owners(entries: list[Json]) -> dict[str, set[str]]:
    """Paths of each manager, as people read them."""
    return {one["manager"]: {path_text(path) for path in from_fields_v1(one["fieldsV1"])} for one in entries}


def test_an_update_takes_over_what_it_changes_and_forgets_what_it_removes() -> None:
    first = managed_fields_of_create("Job", job(parallelism=1, completions=2, suspend=True), "a", NOW)
    old = managed(job(parallelism=1, completions=2, suspend=True), first)
    entries = managed_fields_of_update("Job", old, managed(job(parallelism=3, completions=2), first), "b", LATER)
    assert owners(entries) == {"a": {".spec.completions"}, "b": {".spec.parallelism"}}
    assert [one["time"] for one in entries] == [NOW, LATER]


def test_an_update_that_changes_nothing_leaves_all_as_it_was() -> None:
    first = managed_fields_of_create("Job", job(parallelism=1), "a", NOW)
    old = managed(job(parallelism=1), first)
    assert managed_fields_of_update("Job", old, old, "a", LATER) == first
    assert managed_fields_of_update("Job", old, old, "b", LATER) == first


def test_the_same_manager_adds_to_what_it_has() -> None:
    old = managed(job(parallelism=1), managed_fields_of_create("Job", job(parallelism=1), "a", NOW))
    entries = managed_fields_of_update("Job", old, job(parallelism=1, suspend=True), "a", LATER)
    assert owners(entries) == {"a": {".spec.parallelism", ".spec.suspend"}}
    assert entries[0]["time"] == LATER


def test_the_status_belongs_to_whoever_writes_the_subresource() -> None:
    old = managed(job(parallelism=1), managed_fields_of_create("Job", job(parallelism=1), "a", NOW))
    new = {**job(parallelism=2), "status": {"active": 1}}
    assert owners(managed_fields_of_update("Job", old, new, "b", LATER)) == {"b": {".spec.parallelism"}}
    entries = managed_fields_of_update("Job", old, new, "b", LATER, subresource="status")
    assert owners(entries)["b"] == {".status", ".status.active"}
    assert entries[-1]["subresource"] == "status"


def test_objects_that_nobody_manages_stay_so() -> None:
    assert managed_fields_of_update("Job", job(parallelism=1), job(parallelism=2), "a", NOW) == []


def test_clients_may_hand_in_managed_fields_or_forget_them_all() -> None:
    first = managed_fields_of_create("Job", job(parallelism=1), "a", NOW)
    old = managed(job(parallelism=1), first)
    assert managed_fields_of_update("Job", old, managed(job(parallelism=1), [{}]), "b", LATER) == []
    renamed = [{**first[0], "manager": "z"}]
    assert managed_fields_of_update("Job", old, managed(job(parallelism=1), renamed), "b", LATER) == renamed
    kept = managed_fields_of_update("Job", old, managed(job(parallelism=1), [{}]), "b", LATER, subresource="status")
    assert kept == first
    assert managed_fields_of_update("Job", old, managed(job(parallelism=1), []), "b", LATER) == first
    assert managed_fields_of_update("Job", old, managed(job(parallelism=1), [{"manager": 1}]), "b", LATER) == first


def test_the_oldest_of_too_many_managers_are_put_together() -> None:
    document = managed(job(), managed_fields_of_create("Job", job(parallelism=1), "first", NOW))
    for number in range(15):
        new = {**document, "metadata": {**document["metadata"], "labels": {f"l{n}": "x" for n in range(number + 1)}}}
        entries = managed_fields_of_update("Job", document, new, f"m{number:02}", f"2030-01-02T00:00:{number:02}Z")
        document = managed(new, entries)
    names = [one["manager"] for one in document["metadata"]["managedFields"]]
    assert len(names) == 10
    assert "ancient-changes" in names
    assert names[-1] == "m14"
    everything = set[str]().union(*owners(document["metadata"]["managedFields"]).values())
    assert {f".metadata.labels.l{number}" for number in range(15)} <= everything


steps = st.sampled_from(
    ["f:spec", "f:a.b/c", 'k:{"name":"x"}', 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"f"', "i:0"]
)
paths = st.lists(steps, min_size=1, max_size=4).map(tuple)


@given(st.frozensets(paths, max_size=8))
def test_field_sets_are_written_and_read_again(fields: frozenset[tuple[str, ...]]) -> None:
    assert from_fields_v1(fields_v1(fields)) == fields


@given(
    st.recursive(st.none() | st.booleans() | st.text(), lambda v: st.lists(v) | st.dictionaries(steps | st.text(), v))
)
def test_what_is_no_field_set_is_an_empty_one(value: object) -> None:
    assert () not in from_fields_v1(value)


def test_paths_are_shown_as_people_read_them() -> None:
    path = ("f:spec", "f:containers", 'k:{"name":"pi"}', "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}')
    assert path_text(path) == '.spec.containers[name="pi"].ports[containerPort=80,protocol="TCP"]'
    assert path_text(("f:metadata", "f:finalizers", 'v:"a"')) == '.metadata.finalizers[="a"]'

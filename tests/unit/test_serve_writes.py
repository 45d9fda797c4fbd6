"""Writes over HTTP: what is stored, what is answered, and that a refusal changes nothing."""

import json
from typing import Any

import pytest
from tests.unit.serve_world import JOBS, PODS, World, a_job, a_pod, serve_world

MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
OPERATIONS = {"content-type": "application/json-patch+json"}
APPLY = {"content-type": "application/apply-patch+yaml"}


async def stored(world: World, name: str, path: str = JOBS) -> Any:
    """The object as it is."""
    answer = await world.ask("GET", f"{path}/{name}")
    assert answer.code == 200
    return answer.json


@pytest.mark.asyncio
async def test_a_created_job_has_defaults_identity_and_its_managed_fields() -> None:
    async with serve_world() as world:
        answer = await world.ask("POST", JOBS, a_job("a"), fieldManager="me")
        assert answer.code == 201
        job = answer.json
        assert job["spec"]["backoffLimit"] == 6
        assert job["metadata"]["labels"]["job-name"] == "a"
        (entry,) = job["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("me", "Update")
        assert "f:selector" not in entry["fieldsV1"]["f:spec"]
        assert await stored(world, "a") == job
        again = await world.ask("POST", JOBS, a_job("a"))
        assert (again.code, again.json["message"]) == (409, 'jobs.batch "a" already exists')


@pytest.mark.asyncio
async def test_generated_names_and_the_namespace_of_the_path() -> None:
    async with serve_world() as world:
        first, second = [await world.made(JOBS, a_job("")) for _ in range(2)]
        names = {first["metadata"]["name"], second["metadata"]["name"]}
        assert len(names) == 2
        assert all(name.startswith("made-") and len(name) == 10 for name in names)
        elsewhere = a_job("a")
        elsewhere["metadata"]["namespace"] = "other"
        refused = await world.ask("POST", JOBS, elsewhere)
        assert refused.code == 400
        assert "the namespace of the provided object does not match" in refused.json["message"]
        missing = await world.ask("POST", "/apis/batch/v1/namespaces/none/jobs", a_job("a"))
        assert (missing.code, missing.json["message"]) == (404, 'namespaces "none" not found')


@pytest.mark.asyncio
async def test_a_dry_run_answers_and_stores_nothing() -> None:
    async with serve_world() as world:
        before = world.cluster.store.revision
        tried = await world.ask("POST", JOBS, a_job("a"), dryRun="All")
        assert tried.code == 201
        assert tried.json["metadata"]["uid"]
        assert "resourceVersion" not in tried.json["metadata"]
        assert (await world.ask("GET", f"{JOBS}/a")).code == 404
        job = await world.made(JOBS, a_job("a"))
        after = world.cluster.store.revision
        patch = {"spec": {"parallelism": 3}}
        tried = await world.ask("PATCH", f"{JOBS}/a", patch, headers=MERGE, dryRun="All")
        assert tried.json["spec"]["parallelism"] == 3
        assert tried.json["metadata"]["generation"] == 2
        assert tried.json["metadata"]["resourceVersion"] == job["metadata"]["resourceVersion"]
        gone = await world.ask("DELETE", f"{JOBS}/a?dryRun=All&propagationPolicy=Background")
        assert gone.json["status"] == "Success"
        assert await stored(world, "a") == job
        assert world.cluster.store.revision == after
        assert before < after
        wrong = await world.ask("POST", JOBS, a_job("b"), dryRun="Some")
        assert (wrong.code, wrong.json["details"]["kind"]) == (422, "CreateOptions")


@pytest.mark.asyncio
async def test_put_needs_the_right_name_and_version_and_keeps_the_status() -> None:
    async with serve_world() as world:
        job = await world.made(JOBS, a_job("a"))
        job["spec"]["parallelism"] = 2
        job["status"] = {"succeeded": 7}
        written = (await world.ask("PUT", f"{JOBS}/a", job)).json
        assert written["spec"]["parallelism"] == 2
        assert written["status"] == {}
        assert written["metadata"]["generation"] == 2
        stale = await world.ask("PUT", f"{JOBS}/a", job)
        assert (stale.code, stale.json["reason"]) == (409, "Conflict")
        misnamed = await world.ask("PUT", f"{JOBS}/b", job)
        assert misnamed.json["message"] == "the name of the object (a) does not match the name on the URL (b)"
        absent = a_job("c")
        assert (await world.ask("PUT", f"{JOBS}/c", absent)).code == 404
        again = (await world.ask("PUT", f"{JOBS}/a", written)).json
        assert again["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


@pytest.mark.asyncio
async def test_all_four_patches() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        merged = await world.ask("PATCH", f"{JOBS}/a", {"metadata": {"labels": {"x": "y"}}}, headers=MERGE)
        assert merged.json["metadata"]["labels"]["x"] == "y"
        strategic = await world.ask("PATCH", f"{JOBS}/a", {"spec": {"suspend": True}}, headers=STRATEGIC)
        assert strategic.json["spec"]["suspend"] is True
        operations = [{"op": "replace", "path": "/spec/suspend", "value": False}]
        assert (await world.ask("PATCH", f"{JOBS}/a", operations, headers=OPERATIONS)).json["spec"]["suspend"] is False
        failing = [{"op": "test", "path": "/spec/suspend", "value": True}]
        assert (await world.ask("PATCH", f"{JOBS}/a", failing, headers=OPERATIONS)).code == 422
        applied = await world.ask("PATCH", f"{JOBS}/b", a_job("b"), headers=APPLY, fieldManager="me")
        assert applied.code == 201
        assert applied.json["metadata"]["managedFields"][0]["operation"] == "Apply"
        again = await world.ask("PATCH", f"{JOBS}/b", a_job("b"), headers=APPLY, fieldManager="me")
        assert (again.code, again.json) == (200, applied.json)
        other = a_job("b", backoffLimit=1)
        await world.ask("PATCH", f"{JOBS}/b", other, headers=APPLY, fieldManager="me")
        conflict = await world.ask("PATCH", f"{JOBS}/b", a_job("b", backoffLimit=2), headers=APPLY, fieldManager="you")
        assert conflict.code == 409
        assert conflict.json["details"]["causes"][0]["field"] == ".spec.backoffLimit"
        assert (await world.ask("PATCH", f"{JOBS}/c", {}, headers=MERGE)).code == 404
        unknown = {"content-type": "application/xml"}
        refused = await world.ask("PATCH", f"{JOBS}/a", {}, headers=unknown)
        assert (refused.code, refused.json["message"]) == (415, "415: Unsupported Media Type")


@pytest.mark.asyncio
async def test_a_patch_that_names_a_stale_version_is_a_conflict() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        patch = {"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}}
        refused = await world.ask("PATCH", f"{JOBS}/a", patch, headers=MERGE)
        assert (refused.code, refused.json["reason"]) == (409, "Conflict")
        assert "x" not in (await stored(world, "a"))["metadata"]["labels"]


@pytest.mark.asyncio
async def test_status_is_written_by_its_own_path_alone() -> None:
    async with serve_world() as world:
        await world.made(PODS, a_pod("p"))
        status = {"status": {"phase": "Running"}, "spec": {"activeDeadlineSeconds": 1}}
        ignored = await world.ask("PATCH", f"{PODS}/p", {"status": {"phase": "Running"}}, headers=MERGE)
        assert ignored.json["status"]["phase"] == "Pending"
        written = (await world.ask("PATCH", f"{PODS}/p/status", status, headers=MERGE)).json
        assert written["status"]["phase"] == "Running"
        assert "activeDeadlineSeconds" not in written["spec"]
        assert (await world.ask("GET", f"{PODS}/p/status")).json == written


@pytest.mark.asyncio
async def test_a_pod_is_bound_once() -> None:
    async with serve_world() as world:
        await world.made(PODS, a_pod("p"))
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "node-1"}}
        bound = await world.ask("POST", f"{PODS}/p/binding", binding)
        assert (bound.code, bound.json["status"]) == (201, "Success")
        pod = await stored(world, "p", PODS)
        assert pod["spec"]["nodeName"] == "node-1"
        assert {each["type"]: each["status"] for each in pod["status"]["conditions"]}["PodScheduled"] == "True"
        again = await world.ask("POST", f"{PODS}/p/binding", binding)
        assert again.code == 409
        assert 'pod p is already assigned to node "node-1"' in again.json["message"]
        nowhere = await world.ask("POST", f"{PODS}/p/binding", {**binding, "target": {}})
        assert nowhere.code == 422


@pytest.mark.asyncio
async def test_unknown_fields_as_the_parameter_says() -> None:
    async with serve_world() as world:
        job = a_job("a")
        job["spec"]["bogus"] = 1
        strict = await world.ask("POST", JOBS, job, fieldValidation="Strict")
        assert strict.code == 400
        assert 'strict decoding error: unknown field "spec.bogus"' in strict.json["message"]
        warned = await world.ask("POST", JOBS, job)
        assert (warned.code, warned.warnings) == (201, ['unknown field \\"spec.bogus\\"'])
        assert "bogus" not in warned.json["spec"]
        job["metadata"]["name"] = "b"
        ignored = await world.ask("POST", JOBS, job, fieldValidation="Ignore")
        assert (ignored.code, ignored.warnings) == (201, [])
        wrong = await world.ask("POST", JOBS, job, fieldValidation="Maybe")
        assert (wrong.code, wrong.json["reason"]) == (422, "Invalid")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{not json", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b"\xff\xfe", 400),
        (b"null", 422),
        (b"", 400),
        (b"{}", 422),
        (b'"text"', 400),
        (b"k8s\x00garbage", 400),
        (json.dumps({**a_job("a"), "apiVersion": "batch/v1beta1"}).encode(), 400),
        (json.dumps(a_pod("a")).encode(), 400),
        (json.dumps({**a_job("a"), "spec": {"parallelism": "two"}}).encode(), 400),
        (b" " * (3 * 1024 * 1024 + 1), 413),
    ],
)
async def test_bodies_that_are_no_job_change_nothing(body: bytes, code: int) -> None:
    async with serve_world() as world:
        before = world.cluster.store.revision
        for content_type in ("application/json", "application/yaml"):
            answer = await world.ask("POST", JOBS, body, headers={"content-type": content_type})
            assert 400 <= answer.code < 500, answer.body
            if content_type == "application/json":
                assert answer.code == code, answer.body
            assert answer.json["kind"] == "Status"
            assert answer.json["code"] == answer.code
        assert world.cluster.store.revision == before


@pytest.mark.asyncio
async def test_what_could_not_be_answered_is_not_done() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        before, html = world.cluster.store.revision, {"accept": "text/html"}
        for answer in (
            await world.ask("POST", JOBS, a_job("b"), headers=html),
            await world.ask("PUT", f"{JOBS}/a", a_job("a", parallelism=3), headers=html),
            await world.ask("PATCH", f"{JOBS}/a", {"spec": {"parallelism": 3}}, headers={**MERGE, **html}),
            await world.ask("DELETE", f"{JOBS}/a", headers=html),
        ):
            assert (answer.code, answer.json["reason"]) == (406, "NotAcceptable")
        assert world.cluster.store.revision == before

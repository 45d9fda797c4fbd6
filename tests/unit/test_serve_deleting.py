"""Deletions over HTTP: options in body and query, what is answered, namespaces, evictions."""

from typing import Any

import anyio
import pytest
from tests.unit.serve_world import JOBS, PODS, World, a_job, a_pod, serve_world

ORPHANING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)


async def settled(world: World) -> None:
    """Let the cluster's own controllers work."""
    for _ in range(20):
        await anyio.wait_all_tasks_blocked()
    await world.cluster.store.durable()


async def names(world: World, path: str) -> list[str]:
    """The names of what is there."""
    return [item["metadata"]["name"] for item in (await world.ask("GET", path)).json["items"]]


def owned(name: str, job: Any) -> dict[str, Any]:
    """A pod of a Job."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    return a_pod(name, ownerReferences=[{**owner, "controller": True, "blockOwnerDeletion": True}])


@pytest.mark.asyncio
async def test_a_job_goes_with_its_pods_or_without_as_asked() -> None:
    async with serve_world() as world:
        for name, options in (
            ("a", {"propagationPolicy": "Background"}),
            ("b", None),
            ("c", {"orphanDependents": True}),
        ):
            job = await world.made(JOBS, a_job(name))
            await world.made(PODS, owned(f"pod-{name}", job))
            answer = await world.ask("DELETE", f"{JOBS}/{name}", options)
            assert answer.code == 200
            assert answer.warnings == ([ORPHANING] if options is None else [])
            await settled(world)
            assert (await world.ask("GET", f"{JOBS}/{name}")).code == 404
        assert await names(world, PODS) == ["pod-b", "pod-c"]


@pytest.mark.asyncio
async def test_what_goes_at_once_is_a_status_and_what_waits_is_the_object() -> None:
    async with serve_world() as world:
        job = await world.made(JOBS, a_job("a"))
        gone = (await world.ask("DELETE", f"{JOBS}/a?propagationPolicy=Background")).json
        uid = job["metadata"]["uid"]
        assert gone["details"] == {"name": "a", "group": "batch", "kind": "jobs", "uid": uid}
        held = a_job("b")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        await world.made(JOBS, held)
        waiting = (await world.ask("DELETE", f"{JOBS}/b", {"propagationPolicy": "Background"})).json
        assert waiting["kind"] == "Job"
        assert waiting["metadata"]["deletionTimestamp"]
        merge = {"content-type": "application/merge-patch+json"}
        freed = await world.ask("PATCH", f"{JOBS}/b", {"metadata": {"finalizers": None}}, headers=merge)
        assert freed.code == 200
        assert (await world.ask("GET", f"{JOBS}/b")).code == 404
        await world.made(PODS, a_pod("p"))
        assert (await world.ask("DELETE", f"{PODS}/p")).json["kind"] == "Pod"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ({"propagationPolicy": "Sideways"}, 422, 'supported values: "Foreground", "Background", "Orphan", "nil"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
        ({"dryRun": ["Some"]}, 422, "dryRun"),
        ({"preconditions": {"uid": "other"}}, 409, "the UID in the precondition (other)"),
        ({"preconditions": {"resourceVersion": "1"}}, 409, "the ResourceVersion in the precondition (1)"),
        ({"kind": "Job", "apiVersion": "batch/v1"}, 400, "cannot be handled as a DeleteOptions"),
    ],
)
async def test_options_that_forbid_it(options: dict[str, Any], code: int, word: str) -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        answer = await world.ask("DELETE", f"{JOBS}/a", options)
        assert answer.code == code, answer.body
        assert word in answer.json["message"]
        assert await names(world, JOBS) == ["a"]


@pytest.mark.asyncio
@pytest.mark.parametrize("version", ["v1", "batch/v1", "meta.k8s.io/v1", ""])
async def test_options_are_of_every_group(version: str) -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        options = {"kind": "DeleteOptions", "apiVersion": version, "propagationPolicy": "Background"}
        answer = await world.ask("DELETE", f"{JOBS}/a", options)
        assert (answer.code, answer.warnings) == (200, [])


@pytest.mark.asyncio
async def test_all_that_are_selected_go() -> None:
    async with serve_world() as world:
        for number in range(4):
            labels = {"go": "yes"} if number % 2 else {}
            await world.made(PODS, a_pod(f"p{number}", labels=labels))
        answer = await world.ask("DELETE", PODS, {"propagationPolicy": "Background"}, labelSelector="go=yes")
        assert (answer.code, answer.json["kind"]) == (200, "PodList")
        assert [item["metadata"]["name"] for item in answer.json["items"]] == ["p1", "p3"]
        assert await names(world, PODS) == ["p0", "p2"]


@pytest.mark.asyncio
async def test_a_namespace_takes_nothing_new_is_emptied_and_goes() -> None:
    async with serve_world() as world:
        await world.made("/api/v1/namespaces", {"metadata": {"name": "team"}})
        jobs, pods = (path.replace("default", "team") for path in (JOBS, PODS))
        await world.made(jobs, a_job("a"))
        held = a_pod("held", finalizers=["example.com/hold"])
        await world.made(pods, held)
        going = (await world.ask("DELETE", "/api/v1/namespaces/team")).json
        assert going["status"]["phase"] == "Terminating"
        await settled(world)
        assert await names(world, jobs) == []
        refused = await world.ask("POST", jobs, a_job("b"))
        assert (refused.code, refused.json["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
        assert "because it is being terminated" in refused.json["message"]
        merge = {"content-type": "application/merge-patch+json"}
        await world.ask("PATCH", f"{pods}/held", {"metadata": {"finalizers": None}}, headers=merge)
        await settled(world)
        assert await names(world, "/api/v1/namespaces") == ["default", "kube-system"]
        kept = await world.ask("DELETE", "/api/v1/namespaces/default")
        assert (kept.code, kept.json["reason"]) == (403, "Forbidden")


@pytest.mark.asyncio
async def test_an_eviction_says_why_the_pod_went() -> None:
    async with serve_world() as world:
        pod = await world.made(PODS, a_pod("p", finalizers=["example.com/hold"]))
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
        stale = {**eviction, "deleteOptions": {"preconditions": {"uid": "other"}}}
        assert (await world.ask("POST", f"{PODS}/p/eviction", stale)).code == 409
        assert (await world.ask("GET", f"{PODS}/p")).json == pod
        answer = await world.ask("POST", f"{PODS}/p/eviction", eviction)
        assert (answer.code, answer.json["status"]) == (201, "Success")
        left = (await world.ask("GET", f"{PODS}/p")).json
        assert left["metadata"]["deletionTimestamp"]
        (condition,) = (each for each in left["status"]["conditions"] if each["type"] == "DisruptionTarget")
        assert condition["reason"] == "EvictionByEvictionAPI"

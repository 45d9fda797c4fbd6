"""Reading over HTTP: objects, lists in pages, selectors, Tables, the paths about the server itself, and refusals."""

from typing import Any

import pytest
from tests.asgi_client import Client
from tests.unit.serve_world import JOBS, PODS, World, a_job, a_pod, serve_world

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
PARTIAL = {"accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}


def names(document: Any) -> list[str]:
    """The names of a list's items."""
    return [item["metadata"]["name"] for item in document["items"]]


async def with_pods(world: World, count: int) -> None:
    """Make pods p00, p01 and so on; every second one is labelled."""
    for number in range(count):
        await world.made(PODS, a_pod(f"p{number:02}", labels={"half": "yes"} if number % 2 else {}))


@pytest.mark.asyncio
async def test_a_list_in_pages_is_one_snapshot() -> None:
    async with serve_world() as world:
        await with_pods(world, 10)
        first = (await world.ask("GET", PODS, limit="4")).json
        assert names(first) == ["p00", "p01", "p02", "p03"]
        assert first["metadata"]["remainingItemCount"] == 6
        await world.ask("DELETE", f"{PODS}/p05")
        await world.made(PODS, a_pod("p045"))
        token = first["metadata"]["continue"]
        second = (await world.ask("GET", PODS, limit="4", query={"continue": token})).json
        assert names(second) == ["p04", "p05", "p06", "p07"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        third = (await world.ask("GET", PODS, query={"continue": second["metadata"]["continue"]})).json
        assert names(third) == ["p08", "p09"]
        assert "continue" not in third["metadata"]
        exact = await world.ask(
            "GET", PODS, resourceVersion=first["metadata"]["resourceVersion"], resourceVersionMatch="Exact"
        )
        assert len(exact.json["items"]) == 10
        # Where the snapshot is gone, the token in the refusal goes on with what there is now.
        world.state.lists.clear()
        expired = await world.ask("GET", PODS, query={"continue": token})
        assert (expired.code, expired.json["reason"]) == (410, "Expired")
        resumed = (await world.ask("GET", PODS, query={"continue": expired.json["metadata"]["continue"]})).json
        assert names(resumed) == ["p04", "p045", "p06", "p07", "p08", "p09"]


@pytest.mark.asyncio
async def test_selectors_and_their_pages() -> None:
    async with serve_world() as world:
        await with_pods(world, 6)
        assert names((await world.ask("GET", PODS, labelSelector="half=yes")).json) == ["p01", "p03", "p05"]
        assert names((await world.ask("GET", PODS, labelSelector="half!=yes,!other")).json) == ["p00", "p02", "p04"]
        assert names((await world.ask("GET", PODS, fieldSelector="metadata.name=p02")).json) == ["p02"]
        assert names((await world.ask("GET", PODS, fieldSelector="status.phase=Running")).json) == []
        mixed = await world.ask("GET", PODS, fieldSelector="metadata.name!=p02,status.phase=Pending")
        assert len(mixed.json["items"]) == 5
        page = (await world.ask("GET", PODS, labelSelector="half=yes", limit="2")).json
        assert names(page) == ["p01", "p03"]
        assert "remainingItemCount" not in page["metadata"]
        assert names((await world.ask("GET", "/api/v1/pods", fieldSelector="metadata.namespace=none")).json) == []
        wrong = await world.ask("GET", PODS, fieldSelector="spec.bogus=1")
        assert (wrong.code, wrong.json["message"]) == (400, "field label not supported: spec.bogus")
        assert (await world.ask("GET", PODS, labelSelector="a in (")).code == 400


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "code", "word"),
    [
        ({"resourceVersion": "999999"}, 504, "Too large resource version"),
        ({"resourceVersion": "x"}, 400, "invalid resource version"),
        ({"resourceVersionMatch": "Exact"}, 422, "forbidden unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Odd", "resourceVersion": "1"}, 422, "Unsupported value"),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents is forbidden for list"),
        ({"continue": "nonsense"}, 400, "continue key is not valid"),
        ({"limit": "many"}, 400, "strconv.ParseInt"),
        ({"watch": "true", "resourceVersionMatch": "NotOlderThan"}, 422, "forbidden for watch unless"),
        ({"watch": "true", "sendInitialEvents": "true"}, 422, "sendInitialEvents requires"),
        ({"watch": "true", "resourceVersion": "999999"}, 504, "Too large resource version"),
    ],
)
async def test_options_that_cannot_be(query: dict[str, str], code: int, word: str) -> None:
    async with serve_world() as world:
        answer = await world.ask("GET", JOBS, query=query)
        assert answer.code == code
        assert word in answer.json["message"]


@pytest.mark.asyncio
async def test_tables_and_metadata_alone() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        table = (await world.ask("GET", JOBS, headers=TABLE)).json
        assert table["kind"] == "Table"
        assert table["rows"][0]["cells"][:3] == ["a", "Running", "0/1"]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        whole = (await world.ask("GET", JOBS, headers=TABLE, includeObject="Object")).json
        assert whole["rows"][0]["object"]["kind"] == "Job"
        one = (await world.ask("GET", f"{JOBS}/a", headers=TABLE)).json
        assert len(one["rows"]) == 1
        partial = (await world.ask("GET", JOBS, headers=PARTIAL)).json
        assert set(partial["items"][0]) == {"kind", "apiVersion", "metadata"}
        yaml = await world.ask("GET", f"{JOBS}/a", headers={"accept": "application/yaml"})
        assert yaml.headers["content-type"] == "application/yaml"
        assert b"backoffLimit: 6" in yaml.body
        protobuf = await world.ask("GET", JOBS, headers={"accept": "application/vnd.kubernetes.protobuf"})
        assert (protobuf.code, protobuf.json["reason"]) == (406, "NotAcceptable")
        wrong = await world.ask("GET", JOBS, headers=TABLE, includeObject="Much")
        assert wrong.code == 422


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/apis/batch/v1/namespaces/default/jobs/none", 404, "NotFound"),
        ("GET", "/apis/batch/v1/namespaces/default/none", 404, "NotFound"),
        ("GET", "/apis/batch/v2/jobs", 404, "NotFound"),
        ("GET", "/apis/batch/v1/namespaces/default/jobs/a/scale", 404, "NotFound"),
        ("GET", "/api/v1/pods/x", 404, "NotFound"),
        ("POST", "/apis/batch/v1/namespaces/default/jobs/a", 405, "MethodNotAllowed"),
        ("POST", "/apis/batch/v1/jobs", 405, "MethodNotAllowed"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed"),
        ("PUT", "/api/v1/namespaces/default/pods/p/log", 405, "MethodNotAllowed"),
        ("POST", "/version", 405, "MethodNotAllowed"),
        ("TRACE", "/apis/batch/v1/jobs", 405, "MethodNotAllowed"),
    ],
)
async def test_routes_there_are_not(method: str, path: str, code: int, reason: str) -> None:
    async with serve_world() as world:
        answer = await world.ask(method, path)
        assert (answer.code, answer.json["reason"]) == (code, reason)


@pytest.mark.asyncio
async def test_what_the_server_says_of_itself() -> None:
    async with serve_world() as world:
        assert (await world.ask("GET", "/version")).json["minor"] == "36"
        assert (await world.ask("GET", "/version/")).json["minor"] == "36"
        assert (await world.ask("GET", "/api")).json["versions"] == ["v1"]
        groups = [group["name"] for group in (await world.ask("GET", "/apis/")).json["groups"]]
        assert "batch" in groups
        listed = (await world.ask("GET", "/apis/batch/v1")).json["resources"]
        assert {"jobs", "jobs/status", "cronjobs"} <= {each["name"] for each in listed}
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        aggregated = await world.ask("GET", "/apis", headers={"accept": accept})
        assert aggregated.headers["content-type"].endswith("as=APIGroupDiscoveryList")
        index = (await world.ask("GET", "/openapi/v3")).json["paths"]
        url = index["apis/batch/v1"]["serverRelativeURL"]
        assert "/apis/batch/v1/namespaces/{namespace}/jobs" in (await world.ask("GET", url)).json["paths"]
        nowhere = await world.ask("GET", "/metrics")
        assert (nowhere.code, nowhere.body) == (404, b"404 page not found\n")
        for path in ("/healthz", "/livez", "/readyz"):
            assert (await world.ask("GET", path)).body == b"ok"


@pytest.mark.asyncio
async def test_who_may_ask() -> None:
    async with serve_world() as world:
        nobody, somebody = Client(world.app, None), Client(world.app, "wrong")
        assert (await somebody("GET", JOBS)).json["message"] == "Unauthorized"
        assert (await somebody("GET", "/version")).code == 401
        assert (await nobody("GET", "/version")).code == 200
        cases = {
            ("GET", f"{JOBS}/a"): 'jobs.batch "a" is forbidden: User "system:anonymous" cannot get resource "jobs" in '
            'API group "batch" in the namespace "default"',
            ("GET", f"{JOBS}?watch=true"): 'jobs.batch is forbidden: User "system:anonymous" cannot watch resource '
            '"jobs" in API group "batch" in the namespace "default"',
            ("GET", "/api/v1/pods"): 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API '
            'group "" at the cluster scope',
            ("GET", "/openapi/v3"): 'forbidden: User "system:anonymous" cannot get path "/openapi/v3"',
        }
        for (method, path), message in cases.items():
            answer = await nobody(method, path)
            assert (answer.code, answer.json["message"]) == (403, message)


@pytest.mark.asyncio
async def test_access_reviews_say_yes() -> None:
    async with serve_world() as world:
        attributes = {"resourceAttributes": {"verb": "create", "group": "batch", "resource": "jobs"}}
        review = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": attributes}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await world.ask("POST", path, review)
        assert (answer.code, answer.json["status"]) == (201, {"allowed": True})
        assert answer.json["spec"] == attributes
        assert (await world.ask("GET", path)).code == 405

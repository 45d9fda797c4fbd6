"""Any write that our OpenAPI documents allow, and many they do not: a Status for each refusal, which changes nothing,
and whatever was accepted can be shown and kept.
"""

import json
import os
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.openapi_objects import EXISTING, OBJECTS, good_object
from tests.openapi_requests import FAULTS, Operation, Sent, operations, writes
from tests.store_objects import key_of
from tests.unit.serve_world import World, serve_world

from podledger.log.objects import ObjectRow
from podledger_adapters.server.resource import RESOURCES
from podledger_adapters.store import StoreChange
from podledger_adapters.store.api_error import MAX_CAUSES, MAX_MESSAGE
from podledger_adapters.store.object_codec import ObjectCodec

EXAMPLES = {"quick": 12, "thorough": 300}[os.environ.get("PODLEDGER_TESTS", "quick")]
"""For each operation."""
MAX_ANSWER = 4 * 1024 * 1024
"""No answer in a world this small needs more bytes; a client can send 3 MB."""
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AS_KUBERNETES = ("failed to create typed patch object", "resourceVersion should not be set on objects to be created")
"""How Kubernetes' own answers with 500 begin, though the client is at fault."""

OPERATIONS = operations()


async def fill(world: World) -> None:
    """One object of each kind."""
    for resource in RESOURCES:
        if resource.kind == "SelfSubjectAccessReview":
            continue
        place = f"{resource.path}/namespaces/default" if resource.namespaced else resource.path
        await world.made(f"{place}/{resource.plural}", good_object(resource.kind, EXISTING))


def check_answer(sent: Sent, code: int, headers: Any, body: bytes) -> None:
    """A refusal says why, in the form of the API; nothing fails inside."""
    assert len(body) <= MAX_ANSWER
    if code < 400:
        return
    if headers["content-type"].startswith("text/plain"):
        assert (code, body) == (404, b"404 page not found\n"), sent
        return
    status = json.loads(body)
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code), sent
    assert status["message"], sent
    assert code < 500 or status["message"].startswith(AS_KUBERNETES), (sent, status["message"])


async def check_shown(world: World) -> None:
    """What is stored can be shown, as it is and in rows."""
    for resource in RESOURCES:
        if "list" not in resource.verbs:
            continue
        for accept in ("application/json", TABLE):
            answer = await world.ask("GET", f"{resource.path}/{resource.plural}", headers={"accept": accept})
            assert answer.code == 200, answer.body
            assert answer.json["kind"] in (f"{resource.kind}List", "Table")


def check_kept(world: World) -> None:
    """What is stored is read back from a ledger as it was."""
    objects = list(world.cluster.store.objects())
    writes = ObjectCodec().writes([StoreChange(one, None) for one in objects])
    rows = [ObjectRow(kind, namespace, name, body) for kind, namespace, name, body in writes if body is not None]
    read = {(type(one), key_of(one)): one for one in ObjectCodec().objects(rows)}
    assert read == {(type(one), key_of(one)): one for one in objects}


async def check_write(sent: Sent) -> None:
    async with serve_world() as world:
        await fill(world)
        store = world.cluster.store
        before = store.revision
        answer = await world.ask(sent.method, sent.path, sent.body, headers=sent.headers, query=sent.query)
        check_answer(sent, answer.code, answer.headers, answer.body)
        # Of a DELETE with a body Kubernetes does not look at the query: all options are in the one or the other.
        trial = sent.query.get("dryRun") == "All" and not (sent.method == "DELETE" and sent.body)
        if answer.code >= 400 or trial:
            assert store.revision == before, (sent, answer.code)
        await anyio.wait_all_tasks_blocked()
        await check_shown(world)
        check_kept(world)


def check_writes(requests: st.SearchStrategy[Sent], examples: int) -> None:
    """Try so many requests, the same ones each time unless the tests are to look further."""

    @settings(
        max_examples=examples,
        derandomize=EXAMPLES < 100,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(requests)
    def attempt(sent: Sent) -> None:
        anyio.run(check_write, sent)

    attempt()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_any_object_is_written_whole_or_refused_whole(operation: Operation) -> None:
    check_writes(writes(operation), EXAMPLES)


@pytest.mark.parametrize("fault", FAULTS)
def test_any_fault_of_a_request_is_refused(fault: str) -> None:
    check_writes(st.sampled_from(OPERATIONS).flatmap(lambda operation: writes(operation, (fault,))), 3 * EXAMPLES)


@pytest.mark.parametrize("media", ["json", "yaml", "vnd.kubernetes.protobuf", "apply-patch+yaml", "merge-patch+json"])
@pytest.mark.asyncio
async def test_a_body_that_is_too_large_is_refused_before_it_is_kept(media: str) -> None:
    patching = media.endswith(("+json", "+yaml"))
    path = "/apis/batch/v1/namespaces/default/jobs"
    async with serve_world() as world:
        await fill(world)
        before = world.cluster.store.revision
        method, path = ("PATCH", f"{path}/{EXISTING}") if patching else ("POST", path)
        body = b'{"metadata":{"annotations":{"a":"' + b"x" * (3 * 1024 * 1024) + b'"}}}'
        headers = {"content-type": f"application/{media}"}
        answer = await world.ask(method, path, body, headers=headers, fieldManager="me")
        assert (answer.code, answer.json["reason"]) == (413, "RequestEntityTooLarge")
        assert world.cluster.store.revision == before


@pytest.mark.asyncio
async def test_a_refusal_of_countless_faults_is_bounded() -> None:
    job = good_object("Job", "made")
    job["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "="}] * 20_000
    async with serve_world() as world:
        answer = await world.ask("POST", "/apis/batch/v1/namespaces/default/jobs", job)
        assert (answer.code, len(answer.json["details"]["causes"])) == (422, MAX_CAUSES)
        assert len(answer.json["message"]) == MAX_MESSAGE


def test_every_kind_that_is_sent_has_an_object_to_begin_with() -> None:
    assert {operation.kind for operation in OPERATIONS} == set(OBJECTS)
    assert len(OPERATIONS) > 30

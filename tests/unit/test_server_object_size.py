"""Objects larger than etcd takes: measured as protobuf, refused in a real API server's words, and nothing is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protobuf_encoder import encode_message
from tests.unit.serve_world import JOBS, World, a_job, serve_world
from tests.unit.test_server_protobuf import Json, messages

from podledger_adapters.server.object_size import MAX_SENT, MAX_STORED, message_size
from podledger_adapters.server.resource import RESOURCES

MERGE = {"content-type": "application/merge-patch+json"}


@given(
    st.sampled_from([each.kind for each in RESOURCES]).flatmap(lambda kind: st.tuples(st.just(kind), messages(kind, 5)))
)
def test_a_size_is_that_of_the_encoded_message(kind_and_document: tuple[str, Json]) -> None:
    kind, document = kind_and_document
    assert message_size(kind, document) == len(encode_message(kind, document))


def large_job(size: int) -> Json:
    """A Job of a little more than `size` bytes, whatever it is written in."""
    job = a_job("large")
    job["spec"]["template"]["spec"]["containers"][0]["args"] = ["x" * size]
    return job


async def refusal(world: World, method: str, path: str, body: Json, headers: dict[str, str] | None = None) -> str:
    answer = await world.ask(method, path, body, headers=headers)
    assert answer.code == 500, answer.body
    message: str = answer.json["message"]
    assert answer.json == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": 500,
    }  # fmt: skip
    return message


@pytest.mark.asyncio
async def test_what_etcd_would_not_take_is_refused_and_not_stored() -> None:
    async with serve_world() as world:
        assert await refusal(world, "POST", JOBS, large_job(MAX_STORED)) == "etcdserver: request is too large"
        sent = await refusal(world, "POST", JOBS, large_job(MAX_SENT))
        assert sent.startswith("rpc error: code = ResourceExhausted desc = trying to send message larger than max (20")
        assert sent.endswith(" vs. 2097152)")
        assert (await world.ask("GET", JOBS)).json["items"] == []
        # etcd is not asked in a dry run, and is asked last.
        assert (await world.ask("POST", JOBS, large_job(MAX_STORED), dryRun="All")).code == 201
        invalid = large_job(MAX_STORED)
        invalid["spec"]["parallelism"] = -1
        assert (await world.ask("POST", JOBS, invalid)).code == 422
        assert (await world.ask("GET", JOBS)).json["items"] == []
        await world.made(JOBS, large_job(MAX_STORED - 4096))


@pytest.mark.asyncio
async def test_an_object_cannot_be_patched_beyond_the_bound() -> None:
    async with serve_world() as world:
        job = large_job(MAX_STORED // 2)
        job["spec"]["suspend"] = True
        await world.made(JOBS, job)
        grown: Json = {"spec": {"template": {"metadata": {"annotations": {"a": "y" * 200_000}}}}}
        assert (await world.ask("PATCH", f"{JOBS}/large", grown, headers=MERGE)).code == 200
        stored = (await world.ask("GET", f"{JOBS}/large")).json
        noted = {"type": "Note", "status": "True", "message": "z" * (MAX_STORED - 700_000)}
        patch: Json = {"status": {"conditions": [noted]}}
        assert await refusal(world, "PATCH", f"{JOBS}/large/status", patch, MERGE) == "etcdserver: request is too large"
        assert (await world.ask("GET", f"{JOBS}/large")).json == stored

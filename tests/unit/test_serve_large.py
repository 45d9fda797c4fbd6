"""Large requests: others are answered meanwhile, and a write that comes between loses nothing."""

import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import anyio
import pytest
import yaml
from msgspec.structs import replace
from starlette.responses import Response
from tests.unit.serve_world import JOBS, World, a_job, serve_world

from podledger.api.job import Job
from podledger_adapters.server import decoding, forms
from podledger_adapters.server.answer import document_answer
from podledger_adapters.server.body import Body, decode_body
from podledger_adapters.server.large_work import LARGE_BYTES, LargeWork
from podledger_adapters.server.negotiation import YAML, Representation
from podledger_adapters.server.stored_write import ATTEMPTS

R = TypeVar("R")

MERGE = {"content-type": "application/merge-patch+json"}
PATIENCE_S = 20
KEY = ("default", "large")


def large_job(name: str) -> dict[str, Any]:
    job = a_job(name, suspend=True)
    job["metadata"]["annotations"] = {"long": "x" * LARGE_BYTES}
    return job


def labelled(job: Job, label: str) -> Job:
    return replace(job, metadata=replace(job.metadata, labels={**job.metadata.labels, label: "x"}))


@pytest.mark.asyncio
async def test_other_requests_are_answered_while_a_large_body_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    others_answered = threading.Event()

    def decode_slowly(kind: str, api_version: str, media_type: str, data: bytes) -> Body:
        if len(data) >= LARGE_BYTES:
            assert others_answered.wait(PATIENCE_S), "nothing else was answered meanwhile"
        return decode_body(kind, api_version, media_type, data)

    monkeypatch.setattr(decoding, "decode_body", decode_slowly)
    async with serve_world() as world, anyio.create_task_group() as tasks:
        tasks.start_soon(world.made, JOBS, large_job("large"))
        await world.made(JOBS, a_job("small"))
        assert [job["metadata"]["name"] for job in (await world.ask("GET", JOBS)).json["items"]] == ["small"]
        others_answered.set()


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [f"{JOBS}/large", JOBS])
async def test_other_requests_are_answered_while_a_large_answer_is_made(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    other_answered = threading.Event()

    def answer_slowly(document: Mapping[str, Any], representation: Representation, **options: Any) -> Response:
        if representation.media_type == YAML:
            assert other_answered.wait(PATIENCE_S), "nothing else was answered meanwhile"
        return document_answer(document, representation, **options)

    monkeypatch.setattr(forms, "document_answer", answer_slowly)
    async with serve_world() as world, anyio.create_task_group() as tasks:
        job = await world.made(JOBS, large_job("large"))

        async def ask() -> None:
            answer = await world.ask("GET", path, headers={"accept": YAML})
            document = yaml.safe_load(answer.body)
            found = document["items"][0] if "items" in document else document
            assert found["metadata"] == job["metadata"]

        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        assert (await world.ask("GET", f"{JOBS}/none")).code == 404
        other_answered.set()


class Interrupted(LargeWork):
    """Lets something happen behind each piece of large work, before its result is used."""

    def __init__(self, world: World, between: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(world.state.clock)
        self._between, self.times = between, 0

    async def run(self, size: int, function: Callable[[], R]) -> R:
        result = await super().run(size, function)
        if size >= LARGE_BYTES:
            self.times += 1
            await self._between(self.times)
        return result


@pytest.mark.asyncio
@pytest.mark.parametrize(("writes", "tries"), [(1, 2), (ATTEMPTS + 3, ATTEMPTS)])
async def test_a_write_that_comes_between_is_kept(writes: int, tries: int) -> None:
    async with serve_world() as world:
        await world.made(JOBS, large_job("large"))
        path = f"{JOBS}/large"

        async def write(time: int) -> None:
            if time <= writes:
                with world.cluster.store.batch() as batch:
                    batch.modify(Job, KEY, lambda job: labelled(job, f"label-{time}"))

        world.state.large_work = work = Interrupted(world, write)
        answer = await world.ask("PATCH", path, {"metadata": {"labels": {"mine": "x"}}}, headers=MERGE)
        assert answer.code == 200
        labels = (await world.ask("GET", path)).json["metadata"]["labels"]
        assert labels.keys() >= {"mine", *(f"label-{time}" for time in range(1, min(writes, tries) + 1))}
        assert work.times == tries


@pytest.mark.asyncio
async def test_an_object_that_is_deleted_meanwhile_is_not_found() -> None:
    async with serve_world() as world:
        await world.made(JOBS, large_job("large"))

        async def delete(_: int) -> None:
            with world.cluster.store.batch() as batch:
                batch.delete(Job, KEY)

        world.state.large_work = Interrupted(world, delete)
        answer = await world.ask("PATCH", f"{JOBS}/large", {"metadata": {"labels": {"mine": "x"}}}, headers=MERGE)
        assert (answer.code, answer.json["reason"]) == (404, "NotFound")

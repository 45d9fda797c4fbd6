"""Watches over HTTP: what is sent, in which order, what selectors make of a change, and how a watch ends."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests.asgi_client import Answer
from tests.unit.serve_world import JOBS, PODS, World, a_job, a_pod, serve_world

from podledger_adapters.server import watching

MERGE = {"content-type": "application/merge-patch+json"}


def lines(count: int) -> Callable[[bytes], bool]:
    """Whether so many lines have come."""
    return lambda received: received.count(b"\n") >= count


def shown(answer: Answer) -> list[tuple[str, str]]:
    """Types and names of a watch's events."""
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in answer.events]


async def watched(world: World, path: str, count: int, act: Callable[[], Any], **query: str) -> Answer:
    """Watch until so many events have come, while something is done."""
    answers: list[Answer] = []

    async def watch() -> None:
        answers.append(await world.ask("GET", path, until=lines(count), watch="true", query=query))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        await act()
    return answers[0]


@pytest.mark.asyncio
async def test_changes_behind_a_version_come_in_order() -> None:
    async with serve_world() as world:
        before = await world.made(JOBS, a_job("a"))
        version = before["metadata"]["resourceVersion"]

        async def act() -> None:
            await world.made(JOBS, a_job("b"))
            await world.ask("PATCH", f"{JOBS}/a", {"spec": {"parallelism": 2}}, headers=MERGE)
            await world.ask("DELETE", f"{JOBS}/a", {"propagationPolicy": "Background"})

        answer = await watched(world, JOBS, 3, act, resourceVersion=version)
        assert shown(answer) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in answer.events]
        assert versions == sorted(versions)
        assert answer.events[2]["object"]["spec"]["parallelism"] == 2
        # Later, the same from the history.
        again = await world.ask("GET", JOBS, until=lines(3), watch="1", resourceVersion=version)
        assert again.events == answer.events


@pytest.mark.asyncio
async def test_without_a_version_what_is_there_comes_first() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))

        async def act() -> None:
            await world.made(JOBS, a_job("b"))

        answer = await watched(world, JOBS, 2, act)
        assert shown(answer) == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.asyncio
async def test_a_streaming_list_says_where_it_ends() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        answer = await world.ask("GET", JOBS, until=lines(2), watch="true", query=query)
        added, bookmark = answer.events
        assert added["type"] == "ADDED"
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["object"]["metadata"]["resourceVersion"] == str(world.cluster.store.revision)
        assert bookmark["object"]["kind"] == "Job"


@pytest.mark.asyncio
async def test_a_selector_makes_of_changes_what_they_are_for_it() -> None:
    async with serve_world() as world:
        await world.made(PODS, a_pod("p", labels={"on": "yes"}))
        version = str(world.cluster.store.revision)

        async def act() -> None:
            for labels in ({"n": "1"}, {"on": "no"}, {"on": "yes"}, {"on": "yes", "n": "2"}):
                await world.ask("PATCH", f"{PODS}/p", {"metadata": {"labels": labels}}, headers=MERGE)
            await world.ask("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})

        answer = await watched(world, PODS, 5, act, resourceVersion=version, labelSelector="on=yes")
        assert [event["type"] for event in answer.events] == ["MODIFIED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
        # What is selected no more is shown as it was, with the version of the change.
        assert answer.events[1]["object"]["metadata"]["labels"]["on"] == "yes"
        assert int(answer.events[1]["object"]["metadata"]["resourceVersion"]) == int(version) + 2


@pytest.mark.asyncio
async def test_one_object_and_one_namespace() -> None:
    async with serve_world() as world:
        await world.made("/api/v1/namespaces", {"metadata": {"name": "other"}})

        async def act() -> None:
            await world.made("/apis/batch/v1/namespaces/other/jobs", a_job("a"))
            await world.made(JOBS, a_job("b"))
            await world.made(JOBS, a_job("a"))

        version = str(world.cluster.store.revision)
        answer = await watched(world, JOBS, 1, act, resourceVersion=version, fieldSelector="metadata.name=a")
        assert [event["object"]["metadata"]["namespace"] for event in answer.events] == ["default"]
        everywhere = await world.ask("GET", "/apis/batch/v1/jobs", until=lines(3), watch="1", resourceVersion=version)
        assert len(everywhere.events) == 3


@pytest.mark.asyncio
async def test_tables_say_their_columns_once() -> None:
    async with serve_world() as world:
        await world.made(JOBS, a_job("a"))
        await world.made(JOBS, a_job("b"))
        accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        answer = await world.ask("GET", JOBS, headers=accept, until=lines(2), watch="true")
        first, second = (event["object"] for event in answer.events)
        assert first["columnDefinitions"][0]["name"] == "Name"
        assert second["columnDefinitions"] is None
        assert [row["cells"][0] for row in first["rows"] + second["rows"]] == ["a", "b"]


@pytest.mark.asyncio
async def test_a_version_that_is_not_kept_any_more_is_one_error_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podledger_adapters.store.watch.HISTORY_CHANGES", 3)
    async with serve_world() as world:
        for number in range(6):
            await world.made(JOBS, a_job(f"j{number}"))
        answer = await world.ask("GET", JOBS, watch="true", resourceVersion="1")
        assert answer.code == 200
        (event,) = answer.events
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert event["object"]["message"].startswith("too old resource version: 1 (")


@pytest.mark.asyncio
async def test_a_watcher_that_does_not_read_is_ended_with_410(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCHER_CHANGES", 5)
    async with serve_world() as world:
        sent: list[bytes] = []
        reads = anyio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                await reads.wait()  # As a socket whose buffers are full.
                sent.append(message["body"])

        async def receive() -> Any:
            await anyio.sleep_forever()

        scope = {
            "type": "http",
            "method": "GET",
            "path": JOBS,
            "query_string": f"watch=true&resourceVersion={world.cluster.store.revision}".encode(),
            "headers": [(b"authorization", b"Bearer token-of-the-test")],
        }

        async def watch() -> None:
            await world.app(scope, receive, send)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await anyio.wait_all_tasks_blocked()
            for number in range(10):
                await world.made(JOBS, a_job(f"j{number}"))
                await anyio.wait_all_tasks_blocked()
            reads.set()
        events = Answer(200, {}, b"".join(sent), []).events
        assert [event["type"] for event in events] == ["ADDED", "ERROR"]
        assert events[-1]["object"]["code"] == 410


@pytest.mark.asyncio
async def test_bookmarks_and_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LAST_BOOKMARK_S", 0.9)
    async with serve_world() as world:
        version = str(world.cluster.store.revision)
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "1"}
        assert (await world.ask("GET", JOBS, query=query)).events == []
        (bookmark,) = (await world.ask("GET", JOBS, allowWatchBookmarks="true", query=query)).events
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["resourceVersion"] == version


@pytest.mark.asyncio
async def test_a_stopping_server_ends_its_watches() -> None:
    async with serve_world() as world:

        async def act() -> None:
            world.state.stopping.set()

        answer = await watched(world, JOBS, 99, act)
        assert (answer.code, answer.events) == (200, [])


@pytest.mark.asyncio
async def test_each_change_is_encoded_once_for_all_watchers() -> None:
    async with serve_world() as world:
        version = str(world.cluster.store.revision)
        answers: list[Answer] = []

        async def watch() -> None:
            answers.append(await world.ask("GET", JOBS, until=lines(3), watch="true", resourceVersion=version))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(watch)
            await anyio.wait_all_tasks_blocked()
            for number in range(3):
                await world.made(JOBS, a_job(f"j{number}"))
        assert len({answer.body for answer in answers}) == 1
        assert world.state.changes.encodings == 3

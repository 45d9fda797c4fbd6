"""Logs over HTTP: which run of which container, which lines of it, and what is refused."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from tests.unit.serve_world import PODS, World, a_pod, serve_world

from podledger.api.document import pod_from_document
from podledger_adapters.nodes.container_log import ContainerRun, container_of, run_of
from podledger_adapters.nodes.log_chunk import LogChunk
from podledger_adapters.server.pod_log import LogOptions, selected_lines
from podledger_adapters.store import ApiError

SECOND_NS = 1_000_000_000
MERGE = {"content-type": "application/merge-patch+json"}
TERMINATED = {"terminated": {"exitCode": 1, "startedAt": None, "finishedAt": None}}
RUNNING = {"running": {"startedAt": None}}


async def lines(options: LogOptions, *batches: Sequence[LogChunk]) -> bytes:
    """What the options leave of these batches."""

    async def source() -> AsyncGenerator[Sequence[LogChunk]]:
        for batch in batches:
            yield batch

    return b"".join([piece async for piece in selected_lines(source(), options)])


def options(
    *, timestamps: bool = False, since_s: float | None = None, tail: int | None = None, limit: int | None = None
) -> LogOptions:
    """The options of a request."""
    return LogOptions("", True, False, timestamps, since_s, tail, limit)


WRITTEN = (LogChunk(1 * SECOND_NS, b"one\ntw"), LogChunk(2 * SECOND_NS, b"o\nthree\n"))
LATER = (LogChunk(3 * SECOND_NS + 5, b"four\nfi"),)


@pytest.mark.asyncio
async def test_lines_that_are_asked_for() -> None:
    both = (WRITTEN, (), LATER, ())
    assert await lines(options(), *both) == b"one\ntwo\nthree\nfour\nfi"
    # The end is counted from what is there when it is asked for; what follows comes whole.
    assert await lines(options(tail=1), *both) == b"three\nfour\nfi"
    assert await lines(options(tail=0), *both) == b"four\nfi"
    assert await lines(options(since_s=2), *both) == b"three\nfour\nfi"
    assert await lines(options(limit=6), *both) == b"one\ntw"
    # A line's time is that of its first byte.
    assert await lines(options(timestamps=True), *both) == (
        b"1970-01-01T00:00:01.000000000Z one\n"
        b"1970-01-01T00:00:01.000000000Z two\n"
        b"1970-01-01T00:00:02.000000000Z three\n"
        b"1970-01-01T00:00:03.000000005Z four\n"
        b"1970-01-01T00:00:03.000000005Z fi"
    )


def with_status(state: Any, last: Any, restarts: int = 2) -> Any:
    """A pod of one container in a state."""
    status = {"name": "main", "state": state, "lastState": last, "restartCount": restarts}
    document = {**a_pod("p"), "status": {"containerStatuses": [status]}}
    return pod_from_document(document)


@pytest.mark.parametrize(
    ("state", "last", "previous", "run"),
    [
        (RUNNING, {}, False, ContainerRun(2, over=False)),
        (TERMINATED, {}, False, ContainerRun(2, over=True)),
        (RUNNING, TERMINATED, True, ContainerRun(1, over=True)),
        # It waits to be restarted: the last run is what there is, also as the one before.
        ({"waiting": {"reason": "CrashLoopBackOff"}}, TERMINATED, False, ContainerRun(2, over=True)),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, TERMINATED, True, ContainerRun(2, over=True)),
    ],
)
def test_the_run_that_is_meant(state: Any, last: Any, previous: bool, run: ContainerRun) -> None:
    assert run_of(with_status(state, last), "main", previous=previous) == run


@pytest.mark.parametrize(
    ("state", "last", "previous", "why"),
    [
        (RUNNING, {}, True, 'previous terminated container "main" in pod "p" not found'),
        ({"waiting": {"reason": "ContainerCreating"}}, {}, False, "is waiting to start: ContainerCreating"),
        ({"waiting": {"reason": "ErrImagePull"}}, {}, False, "is waiting to start: image can't be pulled"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, {}, False, "trying and failing to pull image"),
        ({}, {}, False, "is waiting to start - no logs yet"),
    ],
)
def test_runs_there_are_not(state: Any, last: Any, previous: bool, why: str) -> None:
    with pytest.raises(ApiError) as refused:
        run_of(with_status(state, last), "main", previous=previous)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    assert why in refused.value.message


def test_the_container_that_is_meant() -> None:
    document = a_pod("p")
    document["spec"]["initContainers"] = [{"name": "init", "image": "x"}]
    assert container_of(pod_from_document(document), "") == "main"
    assert container_of(pod_from_document(document), "init") == "init"
    document["spec"]["containers"] = [{"name": name, "image": "x"} for name in ("a", "b")]
    with pytest.raises(ApiError, match=r"choose one of: \[init a b\]"):
        container_of(pod_from_document(document), "")
    with pytest.raises(ApiError, match="container c is not valid for pod p"):
        container_of(pod_from_document(document), "c")


@pytest.mark.asyncio
async def test_pods_without_a_log() -> None:
    async with serve_world() as world:
        await world.made(PODS, a_pod("p"))
        assert (await world.ask("GET", f"{PODS}/p/log")).code == 204
        wrong = await world.ask("GET", f"{PODS}/p/log", container="other")
        assert (wrong.code, wrong.json["message"]) == (400, "container other is not valid for pod p")
        assert (await world.ask("GET", f"{PODS}/none/log")).code == 404
        await bound(world)
        early = await world.ask("GET", f"{PODS}/p/log")
        assert (early.code, early.json["message"]) == (400, 'container "main" in pod "p" is not available')


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"tailLines": "-1"}, "tailLines"),
        ({"limitBytes": "0"}, "limitBytes"),
        ({"sinceSeconds": "0"}, "sinceSeconds"),
        ({"sinceSeconds": "1", "sinceTime": "2030-01-01T00:00:00Z"}, ""),
    ],
)
async def test_options_of_a_log_that_cannot_be(query: dict[str, str], field: str) -> None:
    async with serve_world() as world:
        await world.made(PODS, a_pod("p"))
        answer = await world.ask("GET", f"{PODS}/p/log", query=query)
        assert (answer.code, answer.json["details"]["kind"]) == (422, "PodLogOptions")
        assert answer.json["details"]["causes"][0]["field"] == field


async def bound(world: World) -> None:
    """Bind the pod to a node that nobody runs."""
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "node-1"}}
    assert (await world.ask("POST", f"{PODS}/p/binding", binding)).code == 201

"""A cluster in which nothing happens, watched over HTTP: its server sends nothing for longer than the idle deadline."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from urllib.parse import parse_qs

import anyio
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import api_server
from tests.store_objects import new_job

from podledger.ports import Change, ListBegan, ListEnded, Seen
from podledger_adapters.kubernetes.cluster import KubernetesCluster

IDLE_S = 0.2
DEADLINE_S = 120.0


class Asked:
    """Counts the reads that reach a server, by resource and form; `checked` is set when Jobs are asked for but one."""

    def __init__(self) -> None:
        self.reads: Counter[tuple[str, str]] = Counter()
        self.checked = anyio.Event()

    def around(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self._count(scope["path"].rpartition("/")[2], parse_qs(scope["query_string"].decode()))
            await app(scope, receive, send)

        return counted

    def _count(self, plural: str, query: dict[str, list[str]]) -> None:
        if query.get("limit") == ["1"]:
            self.reads[plural, "check"] += 1
            if plural == "jobs":
                self.checked.set()
        elif "sendInitialEvents" in query or "limit" in query:
            self.reads[plural, "list"] += 1


async def take_until(changes: AsyncIterator[Sequence[Change]], kind: type[Change], many: int) -> list[Change]:
    """The changes up to and with the `many`th of a type."""
    taken: list[Change] = []
    async for some in changes:
        taken += some
        if sum(1 for change in taken if isinstance(change, kind)) >= many:
            break
    return taken


@pytest.mark.asyncio
async def test_a_quiet_cluster_is_not_listed_again_and_what_then_happens_is_seen() -> None:
    asked = Asked()
    with anyio.fail_after(DEADLINE_S):
        async with (
            api_server(around=asked.around) as (local, access),
            KubernetesCluster(access, idle_s=IDLE_S) as cluster,
            cluster.watch() as changes,
        ):
            await take_until(changes, ListEnded, 2)
            lists = {resource: asked.reads[resource, "list"] for resource in ("jobs", "pods")}
            await asked.checked.wait()
            with local.store.batch() as batch:
                batch.create(new_job("late"))
            after = await take_until(changes, Seen, 1)
    assert [change.object.metadata.name for change in after if isinstance(change, Seen)] == ["late"]
    assert not any(isinstance(change, ListBegan) for change in after)
    assert {resource: asked.reads[resource, "list"] for resource in lists} == lists

"""A real API server's client against the suite of its port; the server is our own, over HTTP."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import NAMESPACE, api_server
from tests.local_driver import LocalDriver
from tests.unit.controller_world import make_job

from podledger import Controller, MemoryLog
from podledger.api.job import JobKey
from podledger.job.command import RecordEvent
from podledger.job.names import PODLEDGER_CONTROLLER
from podledger.ports import Change, ListEnded, SharedCluster
from podledger.testing.cluster import ClusterConformance, ClusterDriver
from podledger.watching import keep_watching
from podledger_adapters.kubernetes.cluster import KubernetesCluster


@pytest.mark.asyncio
class TestKubernetesCluster(ClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
        async with api_server() as (local, access), KubernetesCluster(access, calls=8) as remote:
            yield LocalDriver(local, remote)


@pytest.mark.asyncio
class TestKubernetesClusterOfTwoNamespaces(ClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
        namespaces = (NAMESPACE, "elsewhere")
        async with api_server() as (local, access), KubernetesCluster(access, namespaces=namespaces) as remote:
            yield LocalDriver(local, remote)


@pytest.mark.asyncio
async def test_jobs_that_name_no_controller_are_left_to_the_servers_own() -> None:
    async with api_server() as (local, access), KubernetesCluster(access) as cluster, MemoryLog() as log:
        assert isinstance(cluster, SharedCluster)
        for name, managed_by in (("plain", None), ("marked", PODLEDGER_CONTROLLER)):
            await local.submit(make_job(name, managed_by=managed_by))
        async with Controller(cluster, log) as controller:
            assert [state.name for state in controller.states()] == ["marked"]


@pytest.mark.asyncio
async def test_all_kinds_are_listed_anew_when_a_list_shows_that_the_cluster_was_restored() -> None:
    listed: list[str] = []
    async with api_server() as (_, access), KubernetesCluster(access) as cluster:

        async def take(changes: Sequence[Change]) -> bool:
            ended = [change.kind for change in changes if isinstance(change, ListEnded)]
            restored = bool(ended) and not listed
            listed.extend(ended)
            if set(listed[1:]) == {"Job", "Pod", "CronJob"}:
                scope.cancel()
            return not restored

        with anyio.CancelScope() as scope, anyio.fail_after(60):
            await keep_watching([cluster.watch, cluster.watch_cronjobs], take)
        assert scope.cancelled_caught
        assert cluster.client.metrics.relists["Job"] == cluster.client.metrics.relists["Pod"] == 2


@pytest.mark.asyncio
async def test_whoever_is_cancelled_tells_the_last_events_and_leaves_nothing_behind() -> None:
    key = JobKey(NAMESPACE, "job")
    told = [RecordEvent("uid", key, "Normal", "Told", f"message {number}") for number in range(3)]
    async with api_server() as (local, access):
        with anyio.CancelScope() as scope:
            async with KubernetesCluster(access) as cluster:
                await cluster.perform(told)
                scope.cancel()
                await cluster.identity()
        assert scope.cancelled_caught
        events = await local.kubernetes_events(key)
        assert [event.message for event in events] == [command.message for command in told]


@pytest.mark.asyncio
async def test_events_that_the_server_does_not_take_are_counted() -> None:
    def without_events(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            refused = scope["type"] == "http" and scope["path"].endswith("/events")
            await (Response("no", 403) if refused else app)(scope, receive, send)

        return answer

    async with api_server(around=without_events) as (_, access):
        async with KubernetesCluster(access) as cluster:
            told = RecordEvent("uid", JobKey(NAMESPACE, "job"), "Normal", "Told", "message")
            await cluster.perform([told, replace(told, message="another")])
        assert cluster.client.metrics.events_dropped == 2

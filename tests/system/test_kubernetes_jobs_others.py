"""What others do to a Job on an API server while it runs: quotas, edits, namesakes, and a namespace that goes."""

from collections.abc import Sequence

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import api_server
from tests.system.kubernetes_user import ALL, FAST, Json, User, controlling, eventually
from tests.unit.controller_world import Wrapped

from podledger import Controller, MemoryLog
from podledger.job.command import Command, CreatePod
from podledger.job.names import FINALIZER
from podledger.log.memory import MemoryLedger
from podledger.ports import Failed, Outcome
from podledger_adapters.kubernetes.cluster import KubernetesCluster

QUOTA = 'pods "x" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3'
GENERATIONS = 8


class Quota(Wrapped):
    """A cluster that creates so many pods and no more, until `left` is raised."""

    def __init__(self, cluster: KubernetesCluster, left: int) -> None:
        super().__init__(cluster)
        self.left = left

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`."""
        outcomes: list[Outcome] = []
        for command in commands:
            if isinstance(command, CreatePod):
                self.left -= 1
                if self.left < 0:
                    outcomes.append(Failed(403, "Forbidden", QUOTA))
                    continue
            outcomes += await super().perform([command])
        return outcomes


@pytest.mark.asyncio
async def test_pods_that_a_quota_refuses_are_told_of_and_tried_again() -> None:
    async with (
        api_server() as (_, access),
        User(access) as user,
        KubernetesCluster(access) as cluster,
        MemoryLog(MemoryLedger()) as log,
    ):
        quota = Quota(cluster, 3)
        async with Controller(quota, log, options=FAST):
            await user.create_job(completions=8, parallelism=8)
            await user.check_counts(active=3)
            told: list[Json] = []

            async def look() -> bool:
                told[:] = [e for e in (await user.must("GET", "events"))["items"] if e["reason"] == "FailedCreate"]
                return bool(told)

            await eventually(look, lambda: "FailedCreate")
            assert [(each["type"], each["message"]) for each in told] == [("Warning", f"Error creating: {QUOTA}")]
            quota.left = ALL
            await user.check_counts(active=8)
            await user.end("Succeeded", 8)
            await user.check_condition("Complete")


@pytest.mark.asyncio
async def test_what_users_write_into_a_job_meanwhile_stays() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=12, parallelism=12)
        await user.check_counts(active=12)
        for done in range(1, 13):
            await user.end("Succeeded")
            for edit in range(3):  # some of them between what the controller saw and what it writes
                meta = {"annotations": {"example.com/edit": f"{done}.{edit}"}, "labels": {f"example.com/{done}": "x"}}
                await user.must("PATCH", "jobs/job", {"metadata": meta}, "merge-patch+json")
            await user.check_counts(active=12 - done, succeeded=done)
        meta = (await user.job())["metadata"]
        assert meta["annotations"]["example.com/edit"] == "12.2"
        assert {f"example.com/{done}" for done in range(1, 13)} <= meta["labels"].keys()
        await user.check_condition("Complete")
        await user.check_free()


@pytest.mark.asyncio
@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_namesakes_that_follow_one_another_share_nothing(propagation: str) -> None:
    """Each is deleted at some moment of its life: before its pods are there, with results uncounted, when finished."""
    async with api_server() as (_, access), User(access) as user, controlling(access):
        for generation in range(GENERATIONS):
            await user.create_job(completions=3, parallelism=3, backoffLimit=0)
            if generation % 4:
                await user.check_counts(active=3)
            if generation % 4 == 2:
                await user.end("Failed")
            elif generation % 4 == 3:
                await user.end("Succeeded", 3)
            await user.delete_job(propagation)

            async def gone() -> bool:
                return (await user.call("GET", "jobs/job"))[0] == 404

            await eventually(gone, lambda: "its end")
        await user.create_job(completions=3, parallelism=3, backoffLimit=0)
        await user.check_counts(active=3)
        await user.end("Succeeded", 3)
        await user.check_condition("Complete")
        await user.check_counts(succeeded=3)
        await user.check_free()


@pytest.mark.asyncio
async def test_a_finalizer_taken_off_a_running_pod_loses_its_result_and_nothing_else() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=2, parallelism=2)
        await user.check_counts(active=2)
        stripped = (await user.pods())[0]
        await user.strip(stripped)
        await user.put_status(stripped, {"phase": "Succeeded"})

        async def replaced() -> bool:
            return len(await user.pods()) == 3

        await eventually(replaced, lambda: "a third pod")
        assert all(FINALIZER in pod["metadata"]["finalizers"] for pod in await user.active_pods())
        await user.end("Succeeded", 2)
        await user.check_condition("Complete")
        await user.check_counts(succeeded=2)


class Gateway:
    """Stands before a server; `closed`, it knows no page that the controller asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self.closed, self.turned_away = app, False, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        ours = any(name == b"user-agent" and value.startswith(b"podledger") for name, value in scope.get("headers", ()))
        if self.closed and ours:
            self.turned_away += 1
            await PlainTextResponse("404 page not found", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@pytest.mark.asyncio
async def test_a_gateway_that_knows_no_page_for_a_while_makes_nothing_be_gone() -> None:
    gateways: list[Gateway] = []

    def around(app: ASGIApp) -> ASGIApp:
        gateways.append(Gateway(app))
        return gateways[0]

    async with api_server(around=around) as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=4, parallelism=2)
        await user.check_counts(active=2)
        gateways[0].closed = True
        await user.end("Succeeded", 2)

        async def refused() -> bool:
            return gateways[0].turned_away > 2

        await eventually(refused, lambda: "calls that are turned away")
        held = [pod["metadata"].get("finalizers") for pod in await user.pods()]
        assert held == [[FINALIZER]] * 2
        gateways[0].closed = False
        await user.check_counts(active=2, succeeded=2)
        await user.end("Succeeded", 2)
        await user.check_condition("Complete")
        await user.check_counts(succeeded=4)
        await user.check_free()


@pytest.mark.asyncio
async def test_a_namespace_that_is_deleted_takes_its_jobs_and_held_pods_along() -> None:
    async with api_server() as (local, access), User(access) as user, controlling(access):
        await user.create_job(completions=5, parallelism=3, template={"spec": {"nodeName": "node-1"}})
        await user.check_counts(active=3)
        await user.end("Succeeded")
        await user.must("DELETE", "")

        async def pods_left() -> bool:
            for pod in await user.pods():  # as the kubelet of a node does at last, but some are gone already
                options = {"kind": "DeleteOptions", "gracePeriodSeconds": 0}
                await user.call("DELETE", f"pods/{pod['metadata']['name']}", options)
            return not await user.pods()

        await eventually(pods_left, lambda: "no pod")

        async def gone() -> bool:
            return (await user.call("GET", ""))[0] == 404

        await eventually(gone, lambda: "the namespace's end")
        assert await local.list_jobs() == []

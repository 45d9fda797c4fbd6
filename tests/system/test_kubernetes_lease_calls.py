"""A leader's calls: its lease is renewed in time however many other writes wait, and whatever a connection does.

And where that could not be, it stands by and leads again.
"""

import anyio
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import NAMESPACE, api_server
from tests.unit.controller_world import make_job

from podledger.api.job import Job
from podledger.clock import RealClock
from podledger.job.command import ReleasePod
from podledger_adapters.cli.controller_run import ControllerSettings, Service
from podledger_adapters.kubernetes import client, leases
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.leases import LeaderElection
from podledger_adapters.local import LocalCluster

pytestmark = pytest.mark.asyncio

DEADLINE_S = 30.0


def election_of(cluster: KubernetesCluster) -> LeaderElection:
    return LeaderElection(cluster.client, RealClock(), namespace=NAMESPACE, name="lease", identity="us")


async def test_a_lease_does_not_wait_behind_the_limit_of_writes() -> None:
    release = ReleasePod("job", NAMESPACE, "pod", "uid")
    async with (
        api_server() as (_, access),
        KubernetesCluster(access, qps=0.001, burst=1) as cluster,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(cluster.perform, [release] * 20)  # one may be made now, and one each thousand seconds
        with anyio.fail_after(DEADLINE_S):
            election = election_of(cluster)
            await election.acquire()
            assert election.leads
            await election.release()
            assert not election.leads
        tasks.cancel_scope.cancel()


class Deaf:
    """A server that does not answer when a lease is asked for the first time."""

    def __init__(self) -> None:
        self.asked = 0

    def around(self, app: ASGIApp) -> ASGIApp:
        async def hear(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and "/leases/" in scope["path"]:
                self.asked += 1
                if self.asked == 1:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    return
            await app(scope, receive, send)

        return hear


async def test_a_call_for_the_lease_that_is_not_answered_is_soon_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "URGENT_S", 0.2)
    deaf = Deaf()
    async with api_server(around=deaf.around) as (_, access), KubernetesCluster(access) as cluster:
        with anyio.fail_after(DEADLINE_S):
            await election_of(cluster).acquire()
    assert deaf.asked > 1


class Ill:
    """A server that can do nothing while it is `ill`, so that no lease is renewed."""

    def __init__(self) -> None:
        self.ill = False

    def around(self, app: ASGIApp) -> ASGIApp:
        async def act(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and self.ill:
                await Response("ill", 503)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return act


async def until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Wait until a log says something."""
    for _ in range(int(DEADLINE_S / 0.05)):
        if text in caplog.text:
            return
        await anyio.sleep(0.05)
    raise AssertionError(f"never said {text!r}: {caplog.text}")


async def completed(local: LocalCluster, name: str) -> None:
    """Submit a Job and wait until it is complete."""
    job = await local.submit(make_job(name))
    for _ in range(int(DEADLINE_S / 0.05)):
        stored = local.store.find(Job, job.key)
        if stored is not None and stored.status.finished:
            return
        await anyio.sleep(0.05)
    raise AssertionError(f"{name} was never completed")


async def test_a_controller_whose_lease_was_lost_with_the_server_stands_by_and_leads_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.5)
    monkeypatch.setattr(leases, "RETRY_S", 0.05)
    caplog.set_level("INFO", "podledger_adapters")
    server = Ill()
    settings = ControllerSettings(manage="all", lease=(NAMESPACE, "lease"), sync_batch_period_s=0.0)
    async with api_server(simulated=True, around=server.around) as (local, access), anyio.create_task_group() as tasks:
        tasks.start_soon(Service(access, settings).run)
        await completed(local, "before")
        server.ill = True
        await until_said(caplog, "standing by: lease suite/lease could not be renewed for 0.5 s")
        server.ill = False
        await completed(local, "after")
        tasks.cancel_scope.cancel()
    assert caplog.text.count("leading: lease suite/lease is ours") == 2
    assert "waiting: lease" not in caplog.text, "nobody else had it"

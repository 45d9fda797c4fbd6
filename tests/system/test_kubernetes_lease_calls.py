"""A leader's calls: its lease is renewed in time however many other writes wait, and whatever a connection does."""

import anyio
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import NAMESPACE, api_server

from podledger.clock import RealClock
from podledger.job.command import ReleasePod
from podledger_adapters.kubernetes import client
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.leases import LeaderElection

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

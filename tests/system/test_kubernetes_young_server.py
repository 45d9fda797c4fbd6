"""An API server that is only just up: what every cluster has is not there yet."""

import anyio
import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import api_server

from podledger.errors import ClusterError
from podledger_adapters.kubernetes import probe
from podledger_adapters.kubernetes.cluster import KubernetesCluster

DEADLINE_S = 60.0
NOT_FOUND = {"kind": "Status", "reason": "NotFound", "message": 'namespaces "kube-system" not found', "code": 404}


class Young:
    """A server without namespace kube-system, for as long as it is asked for it `times` times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def around(self, app: ASGIApp) -> ASGIApp:
        async def without(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] == "/api/v1/namespaces/kube-system" and self.times:
                self.times -= 1
                await JSONResponse(NOT_FOUND, 404)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return without


@pytest.mark.asyncio
async def test_the_namespace_that_names_a_cluster_may_come_a_moment_later() -> None:
    with anyio.fail_after(DEADLINE_S):
        async with api_server(around=Young(2).around) as (local, access), KubernetesCluster(access) as cluster:
            assert await cluster.identity() == await local.identity()


@pytest.mark.asyncio
async def test_a_server_that_never_has_it_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PAUSES_S", (0.0, 0.0))
    with anyio.fail_after(DEADLINE_S):
        async with api_server(around=Young(1000).around) as (_, access), KubernetesCluster(access) as cluster:
            with pytest.raises(ClusterError, match="cannot tell which cluster this is: namespace kube-system: 404"):
                await cluster.identity()

"""Asking a server what we may do, where it does not answer the question."""

import anyio
import pytest
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import api_server

from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.permissions import CONTROLLER
from podledger_adapters.kubernetes.probe import missing_permissions


@pytest.mark.asyncio
@pytest.mark.parametrize("code", [200, 404])
async def test_a_server_that_does_not_say_what_is_permitted_is_taken_to_permit_it(code: int) -> None:
    asked = 0

    def gateway(app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            if scope["type"] == "http" and scope["path"].endswith("/selfsubjectaccessreviews"):
                asked += 1
                await HTMLResponse("<html>hello</html>", code)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return answer

    with anyio.fail_after(60):
        async with api_server(around=gateway) as (_, access), KubernetesCluster(access) as cluster:
            assert await missing_permissions(cluster.client, CONTROLLER) == []
    assert asked == 1

"""An API server that can be stood before with TLS, and asking it by a kubeconfig: by us, and by kubectl."""

import asyncio
import base64
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp
from tests.api_gate import ApiGate
from tests.certificates import Authority
from tests.kubernetes_server import TOKEN, api_server
from tests.relays import TlsFront, tls_front
from tests.system.serving import KUBECTL

from podledger.clock import RealClock
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.kubeconfig import load_access
from podledger_adapters.kubernetes.request import get_namespace

__all__ = ["World", "ask", "open_world", "reached"]


class World:
    """An API server that wants the token "good", and what is needed to stand before it."""

    def __init__(self, directory: Path, stack: AsyncExitStack, gate: ApiGate, port: int) -> None:
        self.directory, self._stack, self.gate, self.port = directory, stack, gate, port
        self.authority = Authority()

    async def tls(self, *hosts: str, **settings: Any) -> tuple[TlsFront, str]:
        """Speak TLS before it, with a certificate for these names; the front and its URL."""
        pair = self.authority.server(*hosts or ("127.0.0.1",)).write(self.directory, "server")
        front, port = await self._stack.enter_async_context(tls_front(self.port, pair, **settings))
        return front, f"https://127.0.0.1:{port}"

    def config(self, server: str, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Path:
        """A kubeconfig; without more it trusts the authority and has the token."""
        trusted = {"certificate-authority-data": base64.b64encode(self.authority.pem).decode()}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": server, **(trusted if cluster is None else cluster)}}],
            "users": [{"name": "u", "user": {"token": "good"} if user is None else user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
        path = self.directory / "config"
        path.write_bytes(msgspec.json.encode(document))
        return path


@asynccontextmanager
async def open_world(directory: Path) -> AsyncGenerator[World]:
    """The server while inside; files go to the directory."""
    gates: list[ApiGate] = []

    def around(app: ASGIApp) -> ASGIApp:
        gates.append(ApiGate(app, TOKEN, {"good": "admin"}))
        return gates[0]

    async with AsyncExitStack() as stack:
        _, access = await stack.enter_async_context(api_server(around=around))
        port = urlsplit(access.server).port
        assert port is not None
        yield World(directory, stack, gates[0], port)


async def ask(client: ApiClient) -> int:
    """The code of an answer."""
    return (await client.send(get_namespace("default"))).code


async def reached(path: Path) -> int:
    """The answer's code, by us, and the same by kubectl. Raises ClusterError, where kubectl fails as well."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_kubectl_agrees, path, outcome := list[int]())
        client = await stack.enter_async_context(ApiClient(load_access(path), RealClock()))
        outcome.append(await ask(client))
        return outcome[0]


async def _kubectl_agrees(path: Path, outcome: list[int]) -> None:
    if KUBECTL is None:
        return
    words = (KUBECTL, "--kubeconfig", str(path), "get", "--raw", "/api/v1/namespaces/default")
    environment = {**os.environ, "HOME": str(path.parent)}
    process = await asyncio.create_subprocess_exec(
        *words, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=-1, stderr=-1
    )
    out, said = await process.communicate()
    assert (process.returncode == 0) == (outcome == [200]), f"kubectl: {(out + said).decode()}"

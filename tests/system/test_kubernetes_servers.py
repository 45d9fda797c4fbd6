"""`podledger controller` before servers that will not do, and before one that goes away and comes back."""

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from aiohttp import web
from starlette.types import ASGIApp
from tests.api_gate import ApiGate
from tests.certificates import Authority
from tests.kubernetes_server import TOKEN, api_server
from tests.relays import tls_front
from tests.system.podledger_command import start_podledger
from tests.system.test_kubernetes_in_cluster import completed
from tests.web_app import serving

from podledger.errors import ClusterError
from podledger_adapters.cli.controller_run import ControllerSettings, run_controller
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.explain import explain
from podledger_adapters.kubernetes.kubeconfig import load_access

LOOK_S = 0.05
LOOKS = 1200


def config(directory: Path, server: str, authority: bytes | None = None) -> None:
    """The kubeconfig of the directory."""
    trusted = {} if authority is None else {"certificate-authority-data": base64.b64encode(authority).decode()}
    document = {
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server, **trusted}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    (directory / "config").write_text(json.dumps(document))


def start(directory: Path, *words: str) -> "subprocess.Popen[str]":
    """The controller; what it says goes to the file `said`."""
    flags = ("--kubeconfig", "config", "--log-format", "text", *words)
    with (directory / "said").open("w") as said:
        return start_podledger("controller", *flags, cwd=directory, stdout=said, stderr=said)


async def refusal(directory: Path, *words: str) -> str:
    """The one error by which it ends, exit code 3."""
    process = start(directory, *words)
    try:
        code = await anyio.to_thread.run_sync(process.wait, 60)
    finally:
        process.kill()
        process.wait()
    said = (directory / "said").read_text()
    assert code == ExitCode.UNREACHABLE, said
    assert "Traceback" not in said
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    return line


def answering(status: int, body: str, kind: str) -> web.Application:
    """A web server that says the same to everything."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=kind)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    return app


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (200, "<html><h1>Welcome</h1></html>", "text/html", "this is no Kubernetes API server (JSON is malformed"),
        (
            200,
            '{"hello": "world"}',
            "application/json",
            "no Kubernetes API server (Object missing required field `major`",
        ),
        (200, '["1", "36"]', "application/json", "this is no Kubernetes API server (Expected `object`, got `array`"),
        (200, '{"major": "one", "minor": ""}', "application/json", "this is no Kubernetes API server (invalid literal"),
        (302, "", "text/html", "this is no Kubernetes API server (/version says 302"),
        (
            400,
            "Client sent an HTTP request to an HTTPS server.\n",
            "text/plain",
            "says 400: Client sent an HTTP request to",
        ),
        (404, "<html>404</html>", "text/html", "this is no Kubernetes API server (/version says 404)"),
        (
            503,
            "no healthy upstream",
            "text/plain",
            "not ready, or no Kubernetes API server: /version says 503: no healthy",
        ),
        (
            401,
            "{}",
            "application/json",
            "the credentials are not accepted (expired?); renew those of context x of /",
        ),
    ],
)
async def test_a_server_that_is_no_kubernetes_is_named(
    tmp_path: Path, status: int, body: str, kind: str, said: str
) -> None:
    async with serving(answering(status, body, kind)) as url:
        config(tmp_path, url)
        with pytest.raises((ClusterError, ExceptionGroup)) as raised:
            await run_controller(load_access(tmp_path / "config"), ControllerSettings())
    code, (line,) = explain(raised.value)
    assert code == ExitCode.UNREACHABLE
    assert said in line
    assert url in line


@pytest.mark.asyncio
async def test_a_server_that_is_not_there_or_speaks_otherwise_is_told_apart(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.server("127.0.0.1").write(tmp_path, "server")
    async with api_server() as (_, access):
        port = urlsplit(access.server).port or 0
        async with tls_front(port, pair) as (_, secure):
            config(tmp_path, f"http://127.0.0.1:{secure}")
            assert "the connection was closed without an answer; if it speaks TLS, write https://" in await refusal(
                tmp_path
            )
            config(tmp_path, f"https://127.0.0.1:{secure}", Authority("other").pem)
            assert "its certificate is not trusted" in await refusal(tmp_path)
        config(tmp_path, f"https://127.0.0.1:{port}", authority.pem)
        assert "it speaks no TLS; is it an http:// address?" in await refusal(tmp_path)
        config(tmp_path, f"https://127.0.0.1:{secure}", authority.pem)
        assert "cannot be reached: Connection refused" in await refusal(tmp_path)
        config(tmp_path, "https://no-such-host.invalid:6443", authority.pem)
        assert "no-such-host.invalid:6443: cannot be reached: " in await refusal(tmp_path)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("minor", "words", "runs"),
    [
        ("20", (), False),
        ("29+", (), False),
        ("31", (), False),
        ("29", ("--manage", "all"), True),
        ("32", (), True),
        ("36+", (), True),
    ],
)
async def test_marked_jobs_need_a_server_that_honours_the_mark(
    tmp_path: Path, minor: str, words: tuple[str, ...], runs: bool
) -> None:
    gates: list[ApiGate] = []

    def around(app: ASGIApp) -> ASGIApp:
        gates.append(ApiGate(app, TOKEN, {TOKEN: "admin"}))
        gates[0].version = json.dumps({"major": "1", "minor": minor, "gitVersion": f"v1.{minor}"}).encode()
        return gates[0]

    async with api_server(around=around) as (_, access):
        config(tmp_path, access.server)
        if not runs:
            line = await refusal(tmp_path, *words)
            assert f"Kubernetes v1.{minor} is too old for spec.managedBy (1.32 and later honour it)" in line
            return
        async with until_said(tmp_path, start(tmp_path, *words)) as said:
            await said("listed:")


# ---- a connection that is lost after the start ----------------------------------------------------------------------


@asynccontextmanager
async def until_said(directory: Path, process: "subprocess.Popen[str]") -> AsyncGenerator[Any]:
    """A controller that runs, and a function that waits until it says something; it is told to end, and must."""

    async def said(text: str) -> None:
        for _ in range(LOOKS):
            if text in (directory / "said").read_text():
                return
            assert process.poll() is None, (directory / "said").read_text()
            await asyncio.sleep(LOOK_S)
        raise AssertionError(f"never said {text!r}: {(directory / 'said').read_text()}")

    try:
        yield said
        process.terminate()
        assert await anyio.to_thread.run_sync(process.wait, 30) == ExitCode.TERMINATED
    finally:
        process.kill()
        process.wait()


@pytest.mark.asyncio
async def test_a_lost_server_is_tried_again_with_each_reason_said_once_until_it_is_back(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.server("127.0.0.1").write(tmp_path, "server")
    strange = Authority("strange").server("127.0.0.1").write(tmp_path, "strange")
    async with AsyncExitStack() as stack:
        cluster, access = await stack.enter_async_context(api_server(simulated=True))
        behind = urlsplit(access.server).port or 0
        first = await stack.enter_async_context(AsyncExitStack())
        _, port = await first.enter_async_context(tls_front(behind, pair))
        config(tmp_path, f"https://127.0.0.1:{port}", authority.pem)
        words = ("--manage", "all", "--no-leader-elect", "--log-level", "info")
        async with until_said(tmp_path, start(tmp_path, *words)) as said:
            await said("listed:")
            await first.aclose()
            await said("Connection refused")
            async with tls_front(behind, strange, own=port):
                await said("its certificate is not trusted")
            async with tls_front(behind, pair, own=port):
                assert await completed(cluster, "job"), (tmp_path / "said").read_text()
                await said("watching Jobs: works again")
                await said("watching Pods: works again")
    lines = [line.split(" ", 2)[2] for line in (tmp_path / "said").read_text().splitlines() if "WARNING" in line]
    for kind in ("Jobs", "Pods"):
        ours = [line for line in lines if f"watching {kind}" in line]
        assert ours
        assert all(one != other for one, other in pairwise(ours)), ours

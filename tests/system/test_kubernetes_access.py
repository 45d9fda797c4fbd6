"""Kubeconfigs on the wire: each way to reach a server and to be somebody, against real TLS, tokens and proxies.

Where there is a kubectl, it is asked with the same kubeconfig and has to get as far as we do.
"""

import asyncio
import base64
import os
import socket
import ssl
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import pytest_asyncio
from tests.api_gate import ApiGate
from tests.certificates import Authority, Pair
from tests.kubernetes_server import TOKEN, api_server
from tests.relays import TlsFront, forward_proxy, tls_front
from tests.system.serving import KUBECTL

from podledger.clock import RealClock, VirtualClock
from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.kubeconfig import load_access
from podledger_adapters.kubernetes.request import get_namespace

V1 = "client.authentication.k8s.io/v1"


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


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    gates: list[ApiGate] = []

    def around(app: Any) -> ApiGate:
        gates.append(ApiGate(app, TOKEN, {"good": "admin"}))
        return gates[0]

    async with AsyncExitStack() as stack:
        _, access = await stack.enter_async_context(api_server(around=around))
        port = urlsplit(access.server).port
        assert port is not None
        yield World(tmp_path, stack, gates[0], port)


async def ask(client: ApiClient) -> int:
    return (await client.send(get_namespace("default"))).code


async def reached(path: Path, clock: Clock | None = None) -> int:
    """The answer's code, by us, and the same by kubectl. Raises ClusterError, where kubectl fails as well."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_kubectl_agrees, path, outcome := list[int]())
        client = await stack.enter_async_context(ApiClient(load_access(path), clock or RealClock()))
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


# ---- whom to trust --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_authority_is_data_or_a_file_and_need_not_have_key_identifiers(world: World) -> None:
    _, url = await world.tls()
    assert await reached(world.config(url)) == 200
    (world.directory / "ca.crt").write_bytes("# authority of Zürich\n".encode() + world.authority.pem)
    assert await reached(world.config(url, {"certificate-authority": "ca.crt"})) == 200


@pytest.mark.asyncio
async def test_a_server_of_another_authority_is_not_trusted_unless_one_says_so(world: World) -> None:
    _, url = await world.tls()
    other = base64.b64encode(Authority("other").pem).decode()
    with pytest.raises(ClusterError, match=r"its certificate is not trusted \(.*\); check certificate-authority"):
        await reached(world.config(url, {"certificate-authority-data": other}))
    with pytest.raises(ClusterError, match="its certificate is not trusted"):
        await reached(world.config(url, {}))
    assert await reached(world.config(url, {"insecure-skip-tls-verify": True})) == 200
    rubbish = base64.b64encode(b"rubbish").decode()
    with pytest.raises(ClusterError, match="certificate-authority: no PEM certificate in it"):
        await reached(world.config(url, {"certificate-authority-data": rubbish}))


@pytest.mark.asyncio
async def test_a_server_may_have_another_name_than_its_address(world: World) -> None:
    front, url = await world.tls("inner.example")
    with pytest.raises(
        ClusterError, match=r"is another server's \(.*127\.0\.0\.1.*\); check server and tls-server-name"
    ):
        await reached(world.config(url))
    authority = base64.b64encode(world.authority.pem).decode()
    named = {"certificate-authority-data": authority, "tls-server-name": "inner.example"}
    front.names.clear()
    assert await reached(world.config(url, named)) == 200
    assert set(front.names) == {"inner.example"}


@pytest.mark.asyncio
async def test_when_the_authority_is_replaced_its_file_is_read_again(world: World) -> None:
    (path := world.directory / "ca.crt").write_bytes(world.authority.pem)
    pair, renewed = world.authority.server("127.0.0.1").write(world.directory, "old"), Authority("renewed")
    async with AsyncExitStack() as stack:
        async with tls_front(world.port, pair) as (_, port):
            access = load_access(world.config(f"https://127.0.0.1:{port}", {"certificate-authority": "ca.crt"}))
            client = await stack.enter_async_context(ApiClient(access, RealClock()))
            assert await ask(client) == 200
        pair = renewed.server("127.0.0.1").write(world.directory, "new")
        async with tls_front(world.port, pair, own=port):
            with pytest.raises(ClusterError, match="not trusted"):
                await ask(client)
            path.write_bytes(renewed.pem)
            assert await ask(client) == 200


# ---- who we are -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_client_certificate_is_data_or_a_file_and_refused_without(world: World) -> None:
    front, url = await world.tls(clients=world.authority.pem)
    mine = world.authority.client("jane", ["ops"])
    certificate, key = (base64.b64encode(each).decode() for each in mine)
    data = {"token": "good", "client-certificate-data": certificate, "client-key-data": key}
    assert await reached(world.config(url, user=data)) == 200
    mine.write(world.directory, "jane")
    files = {"token": "good", "client-certificate": "jane.crt", "client-key": "jane.key"}
    assert await reached(world.config(url, user=files)) == 200
    assert set(front.seen) == {"jane"}
    Authority("other").client("eve").write(world.directory, "jane")
    for user in (None, files):
        async with ApiClient(load_access(world.config(url, user=user)), RealClock()) as client:
            with pytest.raises(ClusterError):
                await ask(client)


@pytest.mark.asyncio
async def test_a_server_that_says_why_it_refuses_a_certificate_is_heard(world: World) -> None:
    # Where TLS 1.3 is spoken, our first request may cross the refusal, which is then a lost connection.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*map(str, world.authority.server("127.0.0.1").write(world.directory, "server")))
    tls.load_verify_locations(cadata=world.authority.pem.decode())
    tls.verify_mode, tls.maximum_version = ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection, pytest.raises(ssl.SSLError):
                tls.wrap_socket(connection, server_side=True)

        async with ApiClient(load_access(world.config(f"https://127.0.0.1:{port}")), RealClock()) as client:
            (refusing := threading.Thread(target=refuse)).start()
            with pytest.raises(ClusterError, match=r"refused \(.*alert.*\); does it want another client certificate"):
                await ask(client)
            refusing.join()


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["encrypted", "another's key", "rubbish"])
async def test_a_certificate_that_cannot_be_used_is_told_from_one_that_is_refused(world: World, kind: str) -> None:
    _, url = await world.tls(clients=world.authority.pem)
    mine = world.authority.client("jane", password=b"secret" if kind == "encrypted" else None)
    if kind == "another's key":
        mine = Pair(mine.certificate, world.authority.client("eve").key)
    elif kind == "rubbish":
        mine = Pair(b"rubbish", b"rubbish")
    mine.write(world.directory, "jane")
    user = {"client-certificate": "jane.crt", "client-key": "jane.key"}
    with pytest.raises(ClusterError, match="do not belong together, are encrypted, or are no PEM"):
        await reached(world.config(url, user=user))


@pytest.mark.asyncio
async def test_a_client_certificate_whose_files_are_replaced_is_presented_anew(world: World) -> None:
    front, url = await world.tls(clients=world.authority.pem)
    world.authority.client("old").write(world.directory, "me")
    clock = VirtualClock()
    user = {"token": "good", "client-certificate": "me.crt", "client-key": "me.key"}
    async with ApiClient(load_access(world.config(url, user=user)), clock) as client:
        assert await ask(client) == 200
        world.authority.client("new").write(world.directory, "me")
        clock.set_wall(clock.now() + 61)
        assert await ask(client) == 200
    assert front.seen == ["old", "new"]


@pytest.mark.asyncio
async def test_a_token_that_is_refused_is_read_again_from_its_file_at_once(world: World) -> None:
    _, url = await world.tls()
    (path := world.directory / "token").write_text("good\n")
    config = world.config(url, user={"tokenFile": "token", "token": "an older copy"})
    assert await reached(config) == 200
    async with ApiClient(load_access(config), RealClock()) as client:
        assert await ask(client) == 200
        del world.gate.users["good"]
        world.gate.users["better"] = "admin"
        assert await ask(client) == 401, "it is not there yet"
        path.write_text("better\n")
        world.gate.authorizations.clear()
        assert await ask(client) == 200
    assert world.gate.authorizations == ["Bearer good", "Bearer better"]


@pytest.mark.asyncio
async def test_a_wrong_token_and_a_password_are_refused_by_the_server(world: World) -> None:
    _, url = await world.tls()
    for user in ({"token": "bad"}, {"username": "me", "password": "pass"}):
        assert await reached(world.config(url, user=user)) == 401
    assert "Basic bWU6cGFzcw==" in world.gate.authorizations


@pytest.mark.asyncio
async def test_whom_we_impersonate_is_said_as_kubectl_says_it(world: World) -> None:
    _, url = await world.tls()
    extra = {"acme.com/scopes": ["a", "b"], "plain": ["c"]}
    user = {"token": "good", "as": "jane", "as-uid": "7", "as-groups": ["dev", "ops"], "as-user-extra": extra}
    assert await reached(world.config(url, user=user)) == 200
    ours, *others = world.gate.impersonated
    assert ours[:4] == (
        ("impersonate-user", "jane"),
        ("impersonate-uid", "7"),
        ("impersonate-group", "dev"),
        ("impersonate-group", "ops"),
    )
    assert all(sorted(each) == sorted(ours) for each in others)


# ---- plugins --------------------------------------------------------------------------------------------------------

PLUGIN = f"""#!{sys.executable}
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
folder = os.environ["FOLDER"]
open(f"{{folder}}/runs", "a").write("x")
status = json.load(open(f"{{folder}}/status"))
print(json.dumps({{"kind": "ExecCredential", "apiVersion": info["apiVersion"], "status": status}}))
"""


def plugin(world: World, version: str = V1, **status: str) -> dict[str, Any]:
    """A user whose plugin prints what `status` in the directory says, at first this."""
    tool = world.directory / "tool"
    tool.write_text(PLUGIN)
    tool.chmod(0o700)
    (world.directory / "status").write_bytes(msgspec.json.encode(status))
    env = [{"name": "FOLDER", "value": str(world.directory)}]
    mode = {"interactiveMode": "IfAvailable"} if version == V1 else {}
    return {"exec": {"command": "./tool", "apiVersion": version, "env": env, **mode}}


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [V1, "client.authentication.k8s.io/v1beta1"])
async def test_a_plugin_prints_a_token_and_is_run_again_when_that_is_refused(world: World, version: str) -> None:
    _, url = await world.tls()
    config = world.config(url, user=plugin(world, version, token="good"))
    assert await reached(config) == 200
    (world.directory / "runs").unlink()
    async with ApiClient(load_access(config), RealClock()) as client:
        for _ in range(3):
            assert await ask(client) == 200
        del world.gate.users["good"]
        world.gate.users["better"] = "admin"
        (world.directory / "status").write_text('{"token": "better"}')
        assert await ask(client) == 200
    assert (world.directory / "runs").read_text() == "xx"


@pytest.mark.asyncio
async def test_a_plugin_prints_a_certificate_and_another_one_when_that_expires(world: World) -> None:
    front, url = await world.tls(clients=world.authority.pem)
    world.gate.users[""] = "admin"  # the certificate alone says who it is

    def status(name: str, expires: str) -> dict[str, str]:
        certificate, key = (each.decode() for each in world.authority.client(name))
        return {"clientCertificateData": certificate, "clientKeyData": key, "expirationTimestamp": expires}

    config = world.config(url, user=plugin(world, **status("first", "2030-01-01T00:10:00Z")))
    clock = VirtualClock(1_893_456_000.0)  # 2030-01-01T00:00:00Z
    async with ApiClient(load_access(config), clock) as client:
        assert await ask(client) == 200
        (world.directory / "status").write_bytes(msgspec.json.encode(status("second", "2030-01-01T00:20:00Z")))
        assert await ask(client) == 200
        clock.set_wall(clock.now() + 595)
        assert await ask(client) == 200
    assert front.seen == ["first", "second"]


@pytest.mark.asyncio
async def test_a_plugin_that_fails_while_we_run_is_an_error_of_the_call_and_mends(world: World) -> None:
    _, url = await world.tls()
    clock = VirtualClock()
    async with ApiClient(load_access(world.config(url, user=plugin(world, token="good"))), clock) as client:
        assert await ask(client) == 200
        del world.gate.users["good"]
        world.gate.users["better"] = "admin"
        (world.directory / "status").unlink()
        with pytest.raises(ClusterError, match=r"credential plugin .*/tool: exit code 1: .*No such file"):
            await ask(client)
        (world.directory / "status").write_text('{"token": "better"}')
        clock.set_wall(clock.now() + 5)
        assert await ask(client) == 200


# ---- proxies --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("user", ["", "me:se%40cret"])
async def test_a_proxy_of_the_kubeconfig_leads_to_names_that_only_it_knows(world: World, user: str) -> None:
    _, url = await world.tls("api.test")
    at = f"{user}@" if user else ""
    async with forward_proxy({"api.test": urlsplit(url).port or 0}, user.replace("%40", "@")) as (proxy, port):
        trusted = {"certificate-authority-data": base64.b64encode(world.authority.pem).decode()}
        through = {**trusted, "proxy-url": f"http://{at}127.0.0.1:{port}"}
        assert await reached(world.config("https://api.test:6443", through)) == 200
        assert set(proxy.asked) == {"CONNECT api.test:6443"}
        assert await reached(world.config("https://api.test", through)) == 200
        assert proxy.asked[-1] == "CONNECT api.test:443"
        if user:
            through["proxy-url"] = f"http://127.0.0.1:{port}"
            with pytest.raises(ClusterError, match="the proxy refused: 407"):
                await reached(world.config("https://api.test:6443", through))


@pytest.mark.asyncio
async def test_a_server_without_tls_is_asked_through_a_proxy_by_its_whole_url(world: World) -> None:
    async with forward_proxy({"api.test": world.port}) as (proxy, port):
        config = world.config("http://api.test:8080", {"proxy-url": f"http://127.0.0.1:{port}"})
        async with ApiClient(load_access(config), RealClock()) as client:
            assert await ask(client) == 200
    assert proxy.asked == ["GET http://api.test:8080/api/v1/namespaces/default"]


@pytest.mark.asyncio
async def test_a_proxy_may_speak_tls_itself(world: World) -> None:
    _, url = await world.tls("api.test", "127.0.0.1")
    pair = (world.directory / "server.crt", world.directory / "server.key")
    async with (
        forward_proxy({"api.test": urlsplit(url).port or 0}) as (proxy, plain),
        tls_front(plain, pair) as (_, port),
    ):
        trusted = {"certificate-authority-data": base64.b64encode(world.authority.pem).decode()}
        through = {**trusted, "proxy-url": f"https://127.0.0.1:{port}"}
        assert await reached(world.config("https://api.test:6443", through)) == 200
        assert set(proxy.asked) == {"CONNECT api.test:6443"}


@pytest.mark.asyncio
async def test_the_environment_has_proxies_too_and_exceptions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = await world.tls("api.test")
    async with forward_proxy({"api.test": urlsplit(url).port or 0}) as (proxy, port):
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        config = world.config("https://api.test:6443")
        assert await reached(config) == 200
        proxy.asked.clear()
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,.test")
        with pytest.raises(ClusterError, match="cannot be reached"):
            await reached(config)
        assert proxy.asked == []
    # It looked the name up in a thread.
    await asyncio.get_running_loop().shutdown_default_executor()


@pytest.mark.asyncio
async def test_a_proxy_that_is_not_there_is_named(world: World) -> None:
    async with forward_proxy({}) as (_, port):
        pass
    config = world.config("https://api.test:6443", {"proxy-url": f"http://127.0.0.1:{port}"})
    with pytest.raises(ClusterError, match=rf"the proxy 127.0.0.1:{port} cannot be reached: Connection refused"):
        await reached(config)


@pytest.mark.asyncio
async def test_a_server_may_live_below_a_path(world: World) -> None:
    world.gate.prefix = "/k8s/clusters/c-1"
    _, url = await world.tls()
    assert await reached(world.config(f"{url}/k8s/clusters/c-1/")) == 200

"""Kubeconfigs on the wire: proxies, of the kubeconfig and of the environment.

Where there is a kubectl, it is asked with the same kubeconfig and has to get as far as we do.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from tests.relays import forward_proxy, tls_front
from tests.system.kubernetes_access import World, ask, open_world, reached

from podledger.clock import RealClock
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.kubeconfig import load_access


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with open_world(tmp_path) as world:
        yield world


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

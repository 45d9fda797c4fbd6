"""Kubeconfigs on the wire: credential plugins, whose tokens and certificates a real server takes or refuses.

Where there is a kubectl, it is asked with the same kubeconfig and has to get as far as we do.
"""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.system.kubernetes_access import World, ask, open_world, reached

from podledger.clock import RealClock, VirtualClock
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.kubeconfig import load_access

V1 = "client.authentication.k8s.io/v1"
PLUGIN = f"""#!{sys.executable}
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
folder = os.environ["FOLDER"]
open(f"{{folder}}/runs", "a").write("x")
status = json.load(open(f"{{folder}}/status"))
print(json.dumps({{"kind": "ExecCredential", "apiVersion": info["apiVersion"], "status": status}}))
"""


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with open_world(tmp_path) as world:
        yield world


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

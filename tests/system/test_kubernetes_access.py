"""Kubeconfigs on the wire: whom we trust and who we are, against real TLS and tokens.

Where there is a kubectl, it is asked with the same kubeconfig and has to get as far as we do.
"""

import base64
import socket
import ssl
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from tests.certificates import Authority, Pair
from tests.relays import tls_front
from tests.system.kubernetes_access import World, ask, open_world, reached

from podledger.clock import RealClock, VirtualClock
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.kubeconfig import load_access


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with open_world(tmp_path) as world:
        yield world


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

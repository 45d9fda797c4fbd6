"""Credentials kept fresh: files that are replaced, plugins that print new ones, and what is said of those that fail."""

import base64
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from podledger.clock import VirtualClock
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.access import Access, Identity
from podledger_adapters.kubernetes.credentials import Credential, Credentials
from podledger_adapters.kubernetes.exec_plugin import ExecPlugin, PluginStatus

NOW_S = 1_800_000_000.0
Version = Literal["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
V1: Version = "client.authentication.k8s.io/v1"
V1BETA1: Version = "client.authentication.k8s.io/v1beta1"


def credentials(identity: Identity, clock: VirtualClock) -> Credentials:
    return Credentials(Access("https://x", "a test", identity=identity), clock)


@pytest.mark.asyncio
async def test_a_token_file_is_read_again_in_time_and_when_its_token_is_refused(tmp_path: Path) -> None:
    clock, path = VirtualClock(NOW_S), tmp_path / "token"
    path.write_text("one\n", encoding="ascii")
    ours = credentials(Identity(token_file=path), clock)
    first = await ours.current()
    assert first.authorization == "Bearer one"
    path.write_text("two\n", encoding="ascii")
    assert (await ours.current()).authorization == "Bearer one"
    clock.set_wall(NOW_S + 61)
    second = await ours.current()
    assert second.authorization == "Bearer two"
    path.write_text("three\n", encoding="ascii")
    assert ours.refresh(first), "somebody else's refusal of an older token changes nothing"
    assert await ours.current() is second
    assert ours.refresh(second)
    assert (await ours.current()).authorization == "Bearer three"


@pytest.mark.asyncio
async def test_what_never_changes_is_not_tried_twice() -> None:
    ours = credentials(Identity(username="me", password="pass"), VirtualClock(NOW_S))
    credential = await ours.current()
    assert credential == Credential("Basic " + base64.b64encode(b"me:pass").decode())
    assert not ours.refresh(credential)


@pytest.mark.asyncio
async def test_a_certificate_and_its_key_are_read_again_and_what_cannot_be_read_is_used_on(tmp_path: Path) -> None:
    clock, certificate, key = VirtualClock(NOW_S), tmp_path / "crt", tmp_path / "key"
    certificate.write_bytes(b"C1")
    key.write_bytes(b"K1")
    ours = credentials(
        Identity(token="t", certificate=b"C0", certificate_file=certificate, key=b"K0", key_file=key), clock
    )
    first = await ours.current()
    assert first == Credential("Bearer t", b"C1", b"K1")
    certificate.write_bytes(b"C2")
    key.unlink()
    assert ours.refresh(first)
    assert await ours.current() is first, "a half replaced pair is none"
    key.write_bytes(b"K2")
    clock.set_wall(NOW_S + 6)
    assert await ours.current() == Credential("Bearer t", b"C2", b"K2")


def test_secrets_are_in_no_repr() -> None:
    tool = plugin("hush", env=[{"name": "TOKEN", "value": "hush"}])
    identity = Identity(token="hush", username="me", password="hush", key=b"hush", plugin=tool)
    access = Access("https://one:6443", "a test", proxy="http://me:hush@proxy", identity=identity)
    status = PluginStatus(token="hush", client_key_data="hush")
    shown = repr([tool, identity, access, status, Credential("Bearer hush", b"certificate", b"hush")])
    assert "hush" not in shown
    assert "<Identity by token, username, password, key, plugin>" in shown
    assert "<Credential: Bearer, a certificate>" in shown


@pytest.mark.asyncio
async def test_files_that_never_could_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"a test: credentials cannot be read: .*nowhere"):
        await credentials(Identity(token_file=tmp_path / "nowhere"), VirtualClock(NOW_S)).current()


# ---- plugins --------------------------------------------------------------------------------------------------------


def plugin(code: str, version: Version = V1BETA1, **changes: Any) -> ExecPlugin:
    settings = {"command": sys.executable, "args": ["-c", code], "apiVersion": version, **changes}
    return msgspec.convert(settings, ExecPlugin)


def printing(version: str = V1BETA1, **status: str) -> str:
    """The code of a plugin that prints a credential."""
    return f"import json; print(json.dumps({ {'kind': 'ExecCredential', 'apiVersion': version, 'status': status} }))"


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [V1, V1BETA1])
async def test_a_plugin_is_asked_for_a_token_and_told_what_for(version: Version) -> None:
    code = """
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert info["spec"] == {
    "interactive": False,
    "cluster": {
        "server": "https://x",
        "tls-server-name": "inner",
        "certificate-authority-data": "UEVN",
        "proxy-url": "http://proxy",
        "config": {"audience": "me"},
    },
}, info
assert sys.stdin.read() == ""
token = os.environ["GIVEN"]
status = {"token": token, "expirationTimestamp": "2027-01-15T08:10:00Z"}
print(json.dumps({"kind": "ExecCredential", "apiVersion": info["apiVersion"], "status": status}))
"""
    clock = VirtualClock(NOW_S)
    env = [{"name": "GIVEN", "value": "t1"}, {"name": "KUBERNETES_EXEC_INFO", "value": "not this"}]
    tool = plugin(code, version, env=env, provideClusterInfo=True, interactiveMode="IfAvailable")
    access = Access(
        "https://x",
        "a test",
        authority=b"PEM",
        server_name="inner",
        proxy="http://proxy",
        identity=Identity(plugin=tool),
        plugin_config={"audience": "me"},
    )
    ours = Credentials(access, clock)
    first = await ours.current()
    assert first.authorization == "Bearer t1"
    assert await ours.current() is first
    clock.set_wall(NOW_S + 600)
    assert await ours.current() is not first


@pytest.mark.asyncio
async def test_a_plugin_may_print_a_certificate_but_the_kubeconfigs_own_goes_before_it() -> None:
    tool = plugin(printing(clientCertificateData="C", clientKeyData="K"))
    assert await credentials(Identity(plugin=tool), VirtualClock(NOW_S)).current() == Credential(None, b"C", b"K")
    own = Identity(plugin=tool, certificate=b"mine", key=b"its key")
    assert await credentials(own, VirtualClock(NOW_S)).current() == Credential(None, b"mine", b"its key")


@pytest.mark.asyncio
async def test_a_token_of_the_kubeconfig_goes_before_a_plugin() -> None:
    ours = credentials(Identity(token="t", plugin=plugin("raise SystemExit(1)")), VirtualClock(NOW_S))
    first = await ours.current()
    assert first == Credential("Bearer t")
    assert not ours.refresh(first)


@pytest.mark.asyncio
async def test_a_plugin_that_fails_is_not_run_for_every_call_and_tried_again_soon(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    code = f"""
with open({str(runs)!r}, "a") as runs:
    runs.write("x")
if runs.name and len(open({str(runs)!r}).read()) < 2:
    raise SystemExit("no network")
{printing(token="t")}
"""
    clock = VirtualClock(NOW_S)
    ours = credentials(Identity(plugin=plugin(code)), clock)
    for _ in range(3):
        with pytest.raises(ClusterError, match="exit code 1: no network"):
            await ours.current()
    assert runs.read_text() == "x"
    clock.set_wall(NOW_S + 5)
    assert (await ours.current()).authorization == "Bearer t"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (plugin("raise SystemExit('log in first')"), "exit code 1: log in first"),
        (plugin("raise SystemExit(3)"), "exit code 3: it said nothing"),
        (plugin("print('hello')"), "no ExecCredential"),
        (plugin("import os; os.write(1, bytes([255, 0]))"), "no ExecCredential"),
        (plugin('print(\'{"kind": "Pod", "apiVersion": "v1"}\')'), "no ExecCredential"),
        (plugin(f'print(\'{{"kind": "ExecCredential", "apiVersion": "{V1BETA1}"}}\')'), "with a status"),
        (plugin(printing()), "neither a token nor a client certificate"),
        (plugin(printing(clientKeyData="K")), "a client certificate without its key, or the reverse"),
        (plugin(printing(token="t", expirationTimestamp="soon")), "$.status.expirationTimestamp"),
        (plugin(printing(V1, token="t")), f"it printed apiVersion {V1}, and the kubeconfig says {V1BETA1}"),
        (plugin("", interactiveMode="Always"), "wants a terminal"),
        (plugin("", command="no-such-plugin", installHint="get it\nthere"), "not found; get it there"),
        (plugin("", command="no-such-plugin"), "not found; install it"),
        (plugin("", command="/etc/passwd"), "Permission denied"),
    ],
)
async def test_a_plugin_that_gives_nothing_is_named(tool: ExecPlugin, said: str) -> None:
    with pytest.raises(ClusterError) as raised:
        await credentials(Identity(plugin=tool), VirtualClock(NOW_S)).current()
    assert said in str(raised.value)
    assert tool.command in str(raised.value)

"""Kubeconfig files: contexts, lists of files, data and files, who we are; and what is said where something lacks."""

import base64
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podledger.clock import VirtualClock
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.credentials import Credential, Credentials
from podledger_adapters.kubernetes.kubeconfig import Access, ExecPlugin, Identity, load_access

NOW_S = 1_800_000_000.0


def config(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": "https://one:6443"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "batch"}}],
    }
    return document | changes


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_bytes(msgspec.yaml.encode(document))
    return path


def test_the_current_context_says_where_and_who(tmp_path: Path) -> None:
    access = load_access(write(tmp_path / "config", config()))
    assert (access.server, access.namespace) == ("https://one:6443", "batch")
    assert access.identity == Identity(token="secret")
    assert not access.insecure


def test_of_several_files_the_first_to_name_something_counts_and_missing_ones_are_passed(tmp_path: Path) -> None:
    first = write(tmp_path / "first", {"current-context": "two", "users": [{"name": "u", "user": {"token": "first"}}]})
    context = {"name": "two", "context": {"cluster": "c", "user": "u"}}
    second = write(tmp_path / "second", config(contexts=[context]))
    environ = {"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}"}
    access = load_access(environ=environ)
    assert (access.identity.token, access.server, access.namespace) == ("first", "https://one:6443", "default")


def test_paths_start_from_the_folder_of_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    for name in ("ca", "crt", "key"):
        (tmp_path / "pki" / name).write_bytes(name.encode())
    (tmp_path / "token").write_text("fresh\n", encoding="ascii")
    cluster = {
        "server": "https://x/",
        "certificate-authority": "pki/ca",
        "tls-server-name": "inner",
        "proxy-url": "http://p",
    }
    user = {"client-certificate": "pki/crt", "client-key": "pki/key", "tokenFile": "token", "token": "old"}
    document = config(clusters=[{"name": "c", "cluster": cluster}], users=[{"name": "u", "user": user}])
    access = load_access(write(tmp_path / "config", document))
    assert (access.server, access.authority, access.server_name, access.proxy) == (
        "https://x",
        b"ca",
        "inner",
        "http://p",
    )
    identity = access.identity
    assert (identity.certificate, identity.key, identity.token) == (b"crt", b"key", "")
    assert identity.token_file == tmp_path / "token"


def test_data_goes_before_files(tmp_path: Path) -> None:
    data = base64.b64encode(b"inline").decode()
    cluster = {"server": "https://x", "certificate-authority-data": data, "certificate-authority": "nowhere"}
    access = load_access(write(tmp_path / "config", config(clusters=[{"name": "c", "cluster": cluster}])))
    assert access.authority == b"inline"


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "jobs\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    access = load_access(environ=environ, service_account=tmp_path)
    assert (access.server, access.namespace, access.authority) == ("https://[fd00::1]:443", "jobs", b"CA")
    assert access.identity.token_file == tmp_path / "token"


FAULTS: list[tuple[dict[str, Any], str | None, str]] = [
    ({}, "nope", "there is no context nope; there are: one"),
    ({"current-context": ""}, None, "no current-context; write --context, one of: one"),
    ({"clusters": []}, None, "names cluster 'c', which is not there"),
    ({"users": None}, None, "names user 'u', which is not there"),
    ({"clusters": [{"name": "c", "cluster": {}}]}, None, "is no https:// or http:// address"),
    ({"clusters": "x"}, None, "clusters: Expected `array`"),
    ({"users": [{"name": "u", "user": {"auth-provider": {"name": "gcp"}}}]}, None, "use an exec plugin"),
    ({"users": [{"name": "u", "user": {"client-key-data": "eA=="}}]}, None, "needs its key, and the reverse"),
    ({"users": [{"name": "u", "user": {"client-key-data": "!"}}]}, None, "client-key-data: not base64"),
    ({"users": [{"name": "u", "user": {"client-key": "none"}}]}, None, "none: cannot be read: No such file"),
]


@pytest.mark.parametrize(("changes", "context", "said"), FAULTS)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, changes: dict[str, Any], context: str | None, said: str
) -> None:
    path = write(tmp_path / "config", config(**changes))
    with pytest.raises(ClusterError) as raised:
        load_access(path, context)
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_without_any_kubeconfig_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ClusterError, match=r"no kubeconfig.*write --kubeconfig PATH"):
        load_access(environ={})
    with pytest.raises(ClusterError, match="KUBECONFIG=/none: no such file"):
        load_access(environ={"KUBECONFIG": "/none"})
    (tmp_path / "bad").write_text("a: [", encoding="utf-8")
    with pytest.raises(ClusterError, match="bad"):
        load_access(tmp_path / "bad")


# ---- credentials ----------------------------------------------------------------------------------------------------


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


def plugin(code: str, **changes: Any) -> ExecPlugin:
    return ExecPlugin(command=sys.executable, args=("-c", code), **changes)


@pytest.mark.asyncio
async def test_a_plugin_is_asked_for_a_token_and_told_what_for() -> None:
    code = """
import json, os
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
assert info["spec"]["cluster"]["server"] == "https://x", info
token = os.environ["GIVEN"]
status = {"token": token, "expirationTimestamp": "2027-01-15T08:10:00Z"}
print(json.dumps({"kind": "ExecCredential", "apiVersion": info["apiVersion"], "status": status}))
"""
    clock = VirtualClock(NOW_S)
    env = ({"name": "GIVEN", "value": "t1"},)
    ours = credentials(Identity(plugin=plugin(code, env=env, provide_cluster_info=True)), clock)
    first = await ours.current()
    assert first.authorization == "Bearer t1"
    assert await ours.current() is first
    clock.set_wall(NOW_S + 600)
    assert await ours.current() is not first


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (plugin("raise SystemExit('log in first')"), "exit code 1: log in first"),
        (plugin("print('hello')"), "no ExecCredential"),
        (plugin('print(\'{"kind": "ExecCredential", "apiVersion": "v1"}\')'), "no ExecCredential with a status"),
        (plugin("", interactive_mode="Always"), "wants a terminal"),
        (ExecPlugin(command="no-such-plugin", install_hint="get it\nthere"), "not found; get it there"),
    ],
)
async def test_a_plugin_that_gives_nothing_is_named(tool: ExecPlugin, said: str) -> None:
    with pytest.raises(ClusterError) as raised:
        await credentials(Identity(plugin=tool), VirtualClock(NOW_S)).current()
    assert said in str(raised.value)
    assert tool.command in str(raised.value)

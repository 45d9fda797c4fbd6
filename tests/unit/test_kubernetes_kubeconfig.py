"""Kubeconfig files: contexts, lists of files, data and files, who we are; and what is said where something lacks."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podledger.errors import ClusterError
from podledger_adapters.kubernetes.access import Identity
from podledger_adapters.kubernetes.kubeconfig import load_access

V1 = "client.authentication.k8s.io/v1"


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


def one_user(**user: Any) -> dict[str, Any]:
    return {"users": [{"name": "u", "user": user}]}


def one_cluster(**cluster: Any) -> dict[str, Any]:
    return {"clusters": [{"name": "c", "cluster": cluster}]}


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


def test_a_relative_command_starts_from_the_kubeconfig_and_one_without_a_folder_from_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command, found in (("./tool", str(tmp_path / "tool")), ("bin/tool", str(tmp_path / "bin/tool")), ("tool",) * 2):
        tool = {"command": command, "apiVersion": V1, "interactiveMode": "Never"}
        write(tmp_path / "config", config(**one_user(exec=tool)))
        plugin = load_access(Path("config")).identity.plugin
        assert plugin is not None
        assert plugin.command == found


def test_whom_to_impersonate_becomes_headers(tmp_path: Path) -> None:
    user = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"acme.com/Scope x": ["s", "t"]}}
    access = load_access(write(tmp_path / "config", config(**one_user(**user))))
    assert access.identity.impersonate == (
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-acme.com%2FScope%20x", "s"),
        ("Impersonate-Extra-acme.com%2FScope%20x", "t"),
    )


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
    (one_cluster(), None, "is no https:// or http:// address"),
    (one_cluster(server="https://me:pw@one:6443"), None, "server: 'one:6443' has a user before it"),
    ({"clusters": "x"}, None, "clusters: Expected `array`"),
    (one_user(**{"auth-provider": {"name": "gcp"}}), None, "use an exec plugin"),
    (one_user(**{"client-key-data": "eA=="}), None, "needs its key, and the reverse"),
    (one_user(**{"client-key-data": "!"}), None, "client-key-data: not base64"),
    (one_user(**{"client-key": "none"}), None, "none: cannot be read: No such file"),
    (one_user(username="me", token="t"), None, "a token and a username: only one can be sent"),
    (one_user(**{"as-groups": ["g"]}), None, "as-uid, as-groups and as-user-extra need as"),
    (one_user(token=5), None, "Expected `str`, got `int` - at `$.token`"),
    (one_user(exec={"command": "c", "apiVersion": V1}), None, f"interactiveMode: required with {V1}"),
    (one_user(exec={"command": "c", "apiVersion": V1, "interactiveMode": "Now"}), None, "$.exec.interactiveMode"),
    (one_user(exec={"command": "c", "apiVersion": "client.authentication.k8s.io/v1alpha1"}), None, "v1alpha1"),
    (one_user(exec={"command": "c"}), None, "missing required field `apiVersion`"),
    (one_user(exec={"command": "", "apiVersion": V1}), None, "command: must not be empty"),
    (one_cluster(server="https://x:port"), None, "server: 'https://x:port'"),
    (one_cluster(**{"insecure-skip-tls-verify": True, "certificate-authority": "ca"}), None, "exclude one another"),
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
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 65532)  # a user that no passwd knows, as in a container
    with pytest.raises(ClusterError, match="no kubeconfig"):
        load_access(environ={})
    (tmp_path / "bad").write_text("a: [", encoding="utf-8")
    with pytest.raises(ClusterError, match="bad"):
        load_access(tmp_path / "bad")

"""Where the API server is and who we are: kubeconfig files, as kubectl reads them, or a pod's own service account.

Files are only read here. How tokens are kept fresh is `credentials.py`, how connections are secured is `tls.py`.
"""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, field

from podledger.errors import ClusterError, InputError
from podledger_adapters.manifest.yaml_text import read_documents

__all__ = ["Access", "ExecPlugin", "Identity", "load_access"]

DEFAULT_PATH: Final = Path("~/.kube/config")
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

T = TypeVar("T")


class ExecPlugin(Struct, frozen=True, rename="camel"):
    """A command that prints credentials (client.authentication.k8s.io)."""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: tuple[str, ...] | None = None
    env: tuple[dict[str, str], ...] | None = None
    install_hint: str | None = None
    interactive_mode: str | None = None
    provide_cluster_info: bool = False


class Identity(Struct, frozen=True):
    """Who we are. `token_file` is read again, for its token is replaced while we run."""

    token: str = ""
    token_file: Path | None = None
    username: str = ""
    password: str = ""
    certificate: bytes = b""
    key: bytes = b""
    plugin: ExecPlugin | None = None
    impersonate: Mapping[str, str] = {}


class Access(Struct, frozen=True):
    """Everything that is needed to talk to an API server. `source` says in messages where it comes from.

    `authority` is the PEM of the certificates to trust, b"" for those of the system; `namespace` is the context's.
    """

    server: str
    source: str
    authority: bytes = b""
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""
    namespace: str = "default"
    identity: Identity = Identity()


class _Cluster(Struct, frozen=True, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class _User(Struct, frozen=True, rename="kebab"):
    token: str = ""
    token_file: str = field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    exec: ExecPlugin | None = None
    auth_provider: dict[str, Any] | None = None
    as_: str = field(default="", name="as")
    as_uid: str = ""


class _Context(Struct, frozen=True, rename="kebab"):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _Config(Struct):
    """Kubeconfig files put together: of each name the first one counts, with the folder that paths start from."""

    current: str = ""
    clusters: dict[str, tuple[dict[str, Any], Path]] = {}
    users: dict[str, tuple[dict[str, Any], Path]] = {}
    contexts: dict[str, tuple[dict[str, Any], Path]] = {}


def load_access(
    path: Path | None = None,
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Access:
    """The kubeconfig at `path`, else those of KUBECONFIG, else ~/.kube/config, else a pod's service account.

    Raises ClusterError, which says what is missing and the way out.
    """
    if path is not None:
        return _from_files([path], context, required=True)
    listed = [Path(each) for each in environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    if listed:
        return _from_files(listed, context, required=False)
    default = DEFAULT_PATH.expanduser()
    if default.exists():
        return _from_files([default], context, required=True)
    if "KUBERNETES_SERVICE_HOST" in environ and context is None:
        return _in_cluster(environ, service_account)
    why = f"no kubeconfig: {DEFAULT_PATH} is not there, KUBECONFIG is not set, and this is no pod of a cluster"
    raise ClusterError(f"{why}; write --kubeconfig PATH")


def _in_cluster(environ: Mapping[str, str], place: Path) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    token = place / "token"
    if not token.exists():
        raise ClusterError(f"{token}: not there; give the pod a service account (automountServiceAccountToken: true)")
    namespace = place / "namespace"
    return Access(
        server=f"https://{host}:{port}",
        source="the pod's service account",
        authority=_read(place / "ca.crt"),
        namespace=_read(namespace).decode().strip() if namespace.exists() else "default",
        identity=Identity(token_file=token),
    )


# ---- kubeconfig files -------------------------------------------------------------------------------------------


def _from_files(paths: Sequence[Path], context: str | None, *, required: bool) -> Access:
    found = [path for path in paths if path.exists()]
    names = os.pathsep.join(map(str, paths))
    if not found:
        where = "" if required else "KUBECONFIG="
        raise ClusterError(f"{where}{names}: no such file; write --kubeconfig PATH")
    config = _Config()
    for path in found:
        _merge(config, path)
    return _chosen(config, context, names)


def _merge(config: _Config, path: Path) -> None:
    """Add a file; what an earlier one said stands."""
    document = _document(path)
    config.current = config.current or _text(document.get("current-context"), path, "current-context")
    for kind, known in (("cluster", config.clusters), ("user", config.users), ("context", config.contexts)):
        listed: object = document.get(f"{kind}s") or []
        for entry in _convert(listed, list[dict[str, Any]], path, f"{kind}s"):
            name = _text(entry.get("name"), path, f"{kind}s[].name")
            body = _convert(entry.get(kind) or {}, dict[str, Any], path, f"{kind}s[{name}].{kind}")
            known.setdefault(name, (body, path))


def _document(path: Path) -> dict[str, Any]:
    try:
        documents = read_documents(str(path), path.read_bytes())
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}") from error
    except InputError as error:
        raise ClusterError(str(error)) from error
    if not documents:
        return {}
    return _convert(documents[0].value, dict[str, Any], path, "kubeconfig")


def _chosen(config: _Config, context: str | None, names: str) -> Access:
    name = context or config.current
    if not name:
        raise ClusterError(f"{names}: no current-context; write --context, one of: {_known(config.contexts)}")
    if name not in config.contexts:
        raise ClusterError(f"{names}: there is no context {name}; there are: {_known(config.contexts)}")
    body, path = config.contexts[name]
    chosen = _convert(body, _Context, path, f"context {name}")
    if chosen.cluster not in config.clusters:
        raise ClusterError(f"{path}: context {name} names cluster {chosen.cluster!r}, which is not there")
    cluster_body, cluster_path = config.clusters[chosen.cluster]
    cluster = _convert(cluster_body, _Cluster, cluster_path, f"cluster {chosen.cluster}")
    identity = Identity()
    if chosen.user:
        if chosen.user not in config.users:
            raise ClusterError(f"{path}: context {name} names user {chosen.user!r}, which is not there")
        user_body, user_path = config.users[chosen.user]
        user = _convert(user_body, _User, user_path, f"user {chosen.user}")
        identity = _identity(user, user_path, chosen.user)
    if not cluster.server.startswith(("https://", "http://")):
        why = f"cluster {chosen.cluster}: server: {cluster.server!r} is no https:// or http:// address"
        raise ClusterError(f"{cluster_path}: {why}")
    return Access(
        server=cluster.server.rstrip("/"),
        source=f"context {name} of {names}",
        authority=_data_or_file(
            cluster.certificate_authority_data, cluster.certificate_authority, cluster_path, "certificate-authority"
        ),
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        proxy=cluster.proxy_url,
        namespace=chosen.namespace or "default",
        identity=identity,
    )


def _identity(user: _User, path: Path, name: str) -> Identity:
    if user.auth_provider is not None:
        why = "auth-provider was removed in Kubernetes 1.26; use an exec plugin"
        raise ClusterError(f"{path}: user {name}: {why}")
    certificate = _data_or_file(user.client_certificate_data, user.client_certificate, path, "client-certificate")
    key = _data_or_file(user.client_key_data, user.client_key, path, "client-key")
    if bool(certificate) != bool(key):
        raise ClusterError(f"{path}: user {name}: a client certificate needs its key, and the reverse")
    impersonate = {"Impersonate-User": user.as_, "Impersonate-Uid": user.as_uid}
    plugin = user.exec
    if plugin is not None and "/" in plugin.command and not Path(plugin.command).is_absolute():
        plugin = msgspec.structs.replace(plugin, command=str(path.parent / plugin.command))
    return Identity(
        # A token file wins over a token, as in kubectl: the token may be an older copy of it.
        token="" if user.token_file else user.token,
        token_file=path.parent / user.token_file if user.token_file else None,
        username=user.username,
        password=user.password,
        certificate=certificate,
        key=key,
        plugin=plugin,
        impersonate={header: value for header, value in impersonate.items() if value},
    )


def _data_or_file(data: str, file: str, path: Path, name: str) -> bytes:
    """A certificate or key: given in base64, or by a path that starts from the kubeconfig's folder."""
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ClusterError(f"{path}: {name}-data: not base64") from error
    return _read(path.parent / file) if file else b""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}") from error


def _convert(value: object, type_: type[T], path: Path, what: str) -> T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise ClusterError(f"{path}: {what}: {error}") from error


def _text(value: object, path: Path, what: str) -> str:
    return _convert("" if value is None else value, str, path, what)


def _known(named: Mapping[str, object]) -> str:
    return ", ".join(named) or "none"

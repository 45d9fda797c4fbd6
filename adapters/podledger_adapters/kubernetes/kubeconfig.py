"""Where the API server is and who we are: kubeconfig files, as kubectl reads them, or a pod's own service account.

Files are only read here; what comes of them is an `Access` (`access.py`).
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct, field

from podledger.errors import ClusterError, InputError
from podledger_adapters.kubernetes.access import Access, Identity
from podledger_adapters.kubernetes.exec_plugin import ExecPlugin
from podledger_adapters.manifest.yaml_text import read_documents

__all__ = ["load_access"]

DEFAULT_PATH: Final = Path("~/.kube/config")
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_EXTENSION: Final = "client.authentication.k8s.io/exec"
HEADER_SAFE: Final = "!#$&'*+^`|"
"""What a header's name may have beside letters, digits, "-", "." and "_" (RFC 7230); "%" marks what is quoted."""

T = TypeVar("T")


class _Extension(Struct, frozen=True):
    name: str = ""
    extension: object = None


class _Cluster(Struct, frozen=True, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    extensions: tuple[_Extension, ...] | None = None


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
    as_groups: tuple[str, ...] | None = None
    as_user_extra: dict[str, tuple[str, ...]] | None = None


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
    default = Path(os.path.expanduser(DEFAULT_PATH))  # noqa: PTH111 (Path's own raises where there is no home)
    if _exists(default):
        return _from_files([default], context, required=True)
    if "KUBERNETES_SERVICE_HOST" in environ and context is None:
        return _in_cluster(environ, service_account)
    why = f"no kubeconfig: {DEFAULT_PATH} is not there, KUBECONFIG is not set, and this is no pod of a cluster"
    raise ClusterError(f"{why}; write --kubeconfig PATH")


def _in_cluster(environ: Mapping[str, str], place: Path) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    token = place / "token"
    if not _exists(token):
        raise ClusterError(f"{token}: not there; give the pod a service account (automountServiceAccountToken: true)")
    namespace = place / "namespace"
    return Access(
        server=f"https://{host}:{port}",
        source="the pod's service account",
        authority=_read(place / "ca.crt"),
        authority_file=place / "ca.crt",
        namespace=_read(namespace).decode().strip() if _exists(namespace) else "default",
        identity=Identity(token_file=token),
    )


# ---- kubeconfig files -------------------------------------------------------------------------------------------


def _from_files(paths: Sequence[Path], context: str | None, *, required: bool) -> Access:
    found = [path.absolute() for path in paths if _exists(path)]
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
    _check_cluster(cluster, cluster_path, chosen.cluster)
    authority, authority_file = _data_or_file(
        cluster.certificate_authority_data, cluster.certificate_authority, cluster_path, "certificate-authority"
    )
    return Access(
        server=cluster.server.rstrip("/"),
        source=f"context {name} of {names}",
        authority=authority,
        authority_file=authority_file,
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        proxy=cluster.proxy_url,
        namespace=chosen.namespace or "default",
        identity=identity,
        plugin_config=next((each.extension for each in cluster.extensions or () if each.name == EXEC_EXTENSION), None),
    )


def _check_cluster(cluster: _Cluster, path: Path, name: str) -> None:
    """Raises ClusterError for an address that is none, and where it is not clear whom to trust."""
    why, shown = "", cluster.server.rpartition("@")[2]  # without a password
    try:
        parts = urlsplit(cluster.server)
        if parts.scheme not in ("https", "http") or not parts.hostname or (parts.port or 1) < 0:
            why = f"server: {shown!r} is no https:// or http:// address"
        elif parts.username is not None:
            why = f"server: {shown!r} has a user before it, which every message would show; write it below users"
    except ValueError as error:
        why = f"server: {shown!r}: {error}"
    if cluster.insecure_skip_tls_verify and (cluster.certificate_authority or cluster.certificate_authority_data):
        why = "insecure-skip-tls-verify and a certificate-authority exclude one another; take one of them out"
    if why:
        raise ClusterError(f"{path}: cluster {name}: {why}")


def _identity(user: _User, path: Path, name: str) -> Identity:
    if why := _contradiction(user):
        raise ClusterError(f"{path}: user {name}: {why}")
    certificate, certificate_file = _data_or_file(
        user.client_certificate_data, user.client_certificate, path, "client-certificate"
    )
    key, key_file = _data_or_file(user.client_key_data, user.client_key, path, "client-key")
    if bool(certificate) != bool(key):
        raise ClusterError(f"{path}: user {name}: a client certificate needs its key, and the reverse")
    plugin = user.exec
    if plugin is not None and "/" in plugin.command:
        plugin = msgspec.structs.replace(plugin, command=str(path.parent / plugin.command))
    return Identity(
        # A token file wins over a token, as in kubectl: the token may be an older copy of it.
        token="" if user.token_file else user.token,
        token_file=path.parent / user.token_file if user.token_file else None,
        username=user.username,
        password=user.password,
        certificate=certificate,
        certificate_file=certificate_file,
        key=key,
        key_file=key_file,
        plugin=plugin,
        impersonate=tuple(_impersonation(user)),
    )


def _contradiction(user: _User) -> str:
    """Why a user cannot be, "" where it can."""
    if user.auth_provider is not None:
        return "auth-provider is not supported, as those of clouds were removed in Kubernetes 1.26; use an exec plugin"
    if user.username and (user.token or user.token_file):
        return "a token and a username: only one can be sent"
    if not user.as_ and (user.as_uid or user.as_groups or user.as_user_extra):
        return "as-uid, as-groups and as-user-extra need as: whom to impersonate"
    return ""


def _impersonation(user: _User) -> Iterator[tuple[str, str]]:
    """The headers that ask for it."""
    if user.as_:
        yield "Impersonate-User", user.as_
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    for group in user.as_groups or ():
        yield "Impersonate-Group", group
    for name, values in (user.as_user_extra or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(name, safe=HEADER_SAFE)}", value


def _data_or_file(data: str, file: str, path: Path, name: str) -> tuple[bytes, Path | None]:
    """A certificate or key: given in base64, or by a path that starts from the kubeconfig's folder, and that path."""
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True), None
        except (binascii.Error, ValueError) as error:
            raise ClusterError(f"{path}: {name}-data: not base64") from error
    return (_read(path.parent / file), path.parent / file) if file else (b"", None)


def _exists(path: Path) -> bool:
    """Raises ClusterError where that cannot be told."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}") from error
    return True


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

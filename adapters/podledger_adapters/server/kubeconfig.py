"""The kubeconfig by which kubectl and client libraries find the server. Never ~/.kube/config, which is the user's."""

import base64
from pathlib import Path

import msgspec
from msgspec import Struct

from podledger_adapters.server.private_file import make_private_directory, write_private

__all__ = ["Access", "kubeconfig", "read_kubeconfig", "write_kubeconfig"]

NAME = "podledger"
"""What the cluster, its user and the context are called."""


def kubeconfig(server: str, token: str, authority: bytes | None) -> bytes:
    """A kubeconfig, as JSON, which is YAML too. `authority` is the certificate (PEM) to trust, None for plain HTTP.

    Its context names the namespace that kubectl takes where none is said, so that people and libraries see it.
    """
    cluster: dict[str, str] = {"server": server}
    if authority is not None:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        "current-context": NAME,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def write_kubeconfig(path: Path, server: str, token: str, authority: bytes | None) -> None:
    """Write it with mode 0600, its directory made where there is none. Raises OSError."""
    make_private_directory(path.parent)
    write_private(path, kubeconfig(server, token, authority))


class Access(Struct, frozen=True):
    """What a kubeconfig of ours says. `authority` is the certificate (PEM) to trust, None for plain HTTP."""

    server: str
    token: str
    authority: bytes | None


def read_kubeconfig(path: Path) -> Access:
    """What `write_kubeconfig` wrote. Raises OSError, msgspec.DecodeError, LookupError."""
    document = msgspec.json.decode(path.read_bytes())
    cluster: dict[str, str] = document["clusters"][0]["cluster"]
    authority = cluster.get("certificate-authority-data")
    token: str = document["users"][0]["user"]["token"]
    return Access(cluster["server"], token, None if authority is None else base64.b64decode(authority))

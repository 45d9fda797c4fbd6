"""Headers that say who we are, kept fresh: fixed tokens, token files that are replaced, plugins that print tokens.

What a kubeconfig says of them is `kubeconfig.py`.
"""

import base64
import json
import os
import subprocess
from datetime import datetime
from typing import Any, Final, NamedTuple

import anyio
import msgspec
from msgspec import Struct

from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.kubernetes.kubeconfig import Access, ExecPlugin, Identity

__all__ = ["Credential", "Credentials"]

TOKEN_FILE_S: Final = 60.0
"""A token file is read again when what is known of it is this old; kubelets replace it long before it expires."""
PLUGIN_S: Final = 60.0
"""How long a plugin may take."""
EARLY_S: Final = 10.0
"""A token is asked for anew this long before it expires."""


class Credential(NamedTuple):
    """What to send: a header (None for none), and a client certificate with its key (b"" for none)."""

    authorization: str | None
    certificate: bytes = b""
    key: bytes = b""


class _Status(Struct, frozen=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


class _ExecCredential(Struct, frozen=True, rename="camel"):
    kind: str
    api_version: str
    status: _Status | None = None


class Credentials:
    """The credential to use now. `refresh` is called when the server did not accept it."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access, self._identity, self._clock = access, access.identity, clock
        self._kept = _fixed(access.identity)
        self._until_s: float | None = None if self._kept is not None else 0.0
        self._lock = anyio.Lock()

    async def current(self) -> Credential:
        """What to send with the next request. Raises ClusterError."""
        if self._kept is not None and (self._until_s is None or self._clock.now() < self._until_s):
            return self._kept
        async with self._lock:
            if self._kept is not None and (self._until_s is None or self._clock.now() < self._until_s):
                return self._kept  # somebody else was faster
            self._kept = await self._read()
            return self._kept

    def refresh(self, refused: Credential) -> bool:
        """The server said 401 to this credential; whether there may be another one."""
        if self._identity.token_file is None and self._identity.plugin is None:
            return False
        if self._kept is refused:
            self._until_s = 0.0
        return True

    async def _read(self) -> Credential:
        path, now = self._identity.token_file, self._clock.now()
        if path is not None:
            try:
                token = (await anyio.Path(path).read_text(encoding="ascii")).strip()
            except (OSError, UnicodeError) as error:
                raise ClusterError(f"{path}: the token cannot be read: {error}") from error
            self._until_s = now + TOKEN_FILE_S
            return Credential(f"Bearer {token}", self._identity.certificate, self._identity.key)
        assert self._identity.plugin is not None
        status = await _run(self._identity.plugin, self._access)
        expires = status.expiration_timestamp
        self._until_s = None if expires is None else expires.timestamp() - EARLY_S
        certificate, key = status.client_certificate_data.encode(), status.client_key_data.encode()
        return Credential(f"Bearer {status.token}" if status.token else None, certificate, key)


def _fixed(identity: Identity) -> Credential | None:
    """The credential of an identity that never changes; None for the others."""
    if identity.token_file is not None or (identity.plugin is not None and not identity.token):
        return None
    header: str | None = None
    if identity.token:
        header = f"Bearer {identity.token}"
    elif identity.username:
        header = "Basic " + base64.b64encode(f"{identity.username}:{identity.password}".encode()).decode()
    return Credential(header, identity.certificate, identity.key)


async def _run(plugin: ExecPlugin, access: Access) -> _Status:
    """Run a plugin. Raises ClusterError."""
    info: dict[str, Any] = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    if plugin.provide_cluster_info:
        cluster: dict[str, Any] = {"server": access.server, "insecure-skip-tls-verify": access.insecure}
        if access.authority:
            cluster["certificate-authority-data"] = base64.b64encode(access.authority).decode()
        info["spec"]["cluster"] = cluster
    environ = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    environ |= {each["name"]: each["value"] for each in plugin.env or () if "name" in each and "value" in each}
    words = [plugin.command, *(plugin.args or ())]
    name = f"credential plugin {plugin.command}"
    if plugin.interactive_mode == "Always":
        raise ClusterError(f"{name}: it wants a terminal (interactiveMode: Always), which a controller has not")
    try:
        with anyio.fail_after(PLUGIN_S):
            done = await anyio.run_process(
                words, env=environ, check=False, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
    except FileNotFoundError as error:
        hint = f"; {' '.join(plugin.install_hint.split())}" if plugin.install_hint else "; install it"
        raise ClusterError(f"{name}: not found{hint}") from error
    except TimeoutError as error:
        raise ClusterError(f"{name}: no answer within {PLUGIN_S:g} s") from error
    except OSError as error:
        raise ClusterError(f"{name}: {error.strerror}") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise ClusterError(f"{name}: exit code {done.returncode}: {said}")
    try:
        answer = msgspec.json.decode(done.stdout, type=_ExecCredential)
    except msgspec.DecodeError as error:
        raise ClusterError(f"{name}: what it printed is no ExecCredential: {error}") from error
    if answer.kind != "ExecCredential" or answer.status is None:
        raise ClusterError(f"{name}: what it printed is no ExecCredential with a status")
    return answer.status

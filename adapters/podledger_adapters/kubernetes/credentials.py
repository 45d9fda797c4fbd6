"""Who we are, kept fresh: tokens and certificates that stay, files that are replaced, plugins that print new ones.

What a kubeconfig says of them is `kubeconfig.py`, running a plugin is `exec_plugin.py`.
"""

import base64
import logging
from typing import Final, NamedTuple

import anyio

from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.kubernetes.access import Access, Identity
from podledger_adapters.kubernetes.exec_plugin import run_plugin

__all__ = ["Credential", "Credentials"]

logger = logging.getLogger(__name__)

FILES_S: Final = 60.0
"""Files are read again when what is known of them is this old; kubelets replace tokens long before they expire."""
EARLY_S: Final = 10.0
"""A plugin is asked anew this long before what it printed expires."""
FAILED_S: Final = 5.0
"""So long after a failure nothing is tried again: many calls wait for one credential, and plugins are slow."""


class Credential(NamedTuple):
    """What to send: a header (None for none), and a client certificate with its key (b"" for none)."""

    authorization: str | None
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        scheme = self.authorization.partition(" ")[0] if self.authorization else "no header"
        return f"<Credential: {scheme}, {'a' if self.certificate else 'no'} certificate>"


class Credentials:
    """The credential to use now. `refresh` is called when the server did not accept it."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access, self._identity, self._clock = access, access.identity, clock
        self._kept: Credential | None = None
        self._until_s: float | None = 0.0
        """When what is kept is to be read again; None for never."""
        self._failure = ""
        self._failed_until_s = 0.0
        self._lock = anyio.Lock()

    async def current(self) -> Credential:
        """What to send with the next request. Raises ClusterError."""
        if (kept := self._good()) is not None:
            return kept
        async with self._lock:
            if (kept := self._good()) is not None:
                return kept  # somebody else was faster
            if self._clock.now() < self._failed_until_s:
                raise ClusterError(self._failure)
            try:
                self._kept = await self._read()
            except ClusterError as error:
                self._failure, self._failed_until_s = str(error), self._clock.now() + FAILED_S
                raise
            return self._kept

    def refresh(self, refused: Credential) -> bool:
        """The server said 401 to this credential; whether there may be another one."""
        if not self._identity.changes:
            return False
        if self._kept is refused:
            self._until_s = 0.0
        return True

    def _good(self) -> Credential | None:
        """What is kept, while it need not be read again."""
        return self._kept if self._until_s is None or self._clock.now() < self._until_s else None

    async def _read(self) -> Credential:
        identity, now = self._identity, self._clock.now()
        if identity.runs_plugin:
            assert identity.plugin is not None
            status = await run_plugin(identity.plugin, _cluster_info(self._access))
            expires = status.expiration_timestamp
            self._until_s = None if expires is None else expires.timestamp() - EARLY_S
            header = f"Bearer {status.token}" if status.token else None
            printed = status.client_certificate_data.encode(), status.client_key_data.encode()
            # The kubeconfig's own certificate goes before a plugin's, as in kubectl.
            return Credential(header, *((identity.certificate, identity.key) if identity.certificate else printed))
        try:
            credential = await _from_files(identity)
        except (OSError, UnicodeError) as error:
            if self._kept is None:
                raise ClusterError(f"{self._access.source}: credentials cannot be read: {error}") from error
            # What we have may be good still; the next try is soon.
            logger.warning("credentials cannot be read again, the last ones are used on: %s", error)
            self._until_s = now + FAILED_S
            return self._kept
        self._until_s = now + FILES_S if identity.changes else None
        return credential


async def _from_files(identity: Identity) -> Credential:
    """What an identity without a plugin sends. Raises OSError, UnicodeError."""
    header: str | None = None
    if identity.token_file is not None:
        header = f"Bearer {(await anyio.Path(identity.token_file).read_text(encoding='ascii')).strip()}"
    elif identity.token:
        header = f"Bearer {identity.token}"
    elif identity.username:
        header = "Basic " + base64.b64encode(f"{identity.username}:{identity.password}".encode()).decode()
    certificate, key = identity.certificate, identity.key
    if identity.certificate_file is not None:
        certificate = await anyio.Path(identity.certificate_file).read_bytes()
    if identity.key_file is not None:
        key = await anyio.Path(identity.key_file).read_bytes()
    return Credential(header, certificate, key)


def _cluster_info(access: Access) -> dict[str, object]:
    """What a plugin may be told of the cluster (ExecCredential's spec.cluster)."""
    info: dict[str, object] = {
        "server": access.server,
        "tls-server-name": access.server_name,
        "insecure-skip-tls-verify": access.insecure,
        "certificate-authority-data": base64.b64encode(access.authority).decode(),
        "proxy-url": access.proxy,
        "config": access.plugin_config,
    }
    return {name: value for name, value in info.items() if value}

"""How to reach an API server, and who we are there: what a kubeconfig or a pod's service account comes to.

Where it is from is `kubeconfig.py`; how credentials are kept fresh is `credentials.py`, how connections are secured
`tls.py`, which proxy leads there `proxy.py`. Secrets are in no repr, for those end in logs and tracebacks.
"""

from pathlib import Path

from msgspec import Struct

from podledger_adapters.kubernetes.exec_plugin import ExecPlugin

__all__ = ["Access", "Identity"]


class Identity(Struct, frozen=True):
    """Who we are. Files are read again, for what is in them is replaced while we run.

    `impersonate` are the headers that ask the server to take us for somebody else.
    """

    token: str = ""
    token_file: Path | None = None
    username: str = ""
    password: str = ""
    certificate: bytes = b""
    certificate_file: Path | None = None
    key: bytes = b""
    key_file: Path | None = None
    plugin: ExecPlugin | None = None
    impersonate: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        sent = [name for name in self.__struct_fields__ if name != "impersonate" and getattr(self, name)]
        return f"<Identity by {', '.join(sent) or 'nothing'}>"

    @property
    def runs_plugin(self) -> bool:
        """Whether a plugin is asked: whatever else there is goes before it, as in kubectl."""
        return self.plugin is not None and not (self.token or self.token_file or self.username)

    @property
    def changes(self) -> bool:
        """Whether there may be another credential later."""
        return self.runs_plugin or any((self.token_file, self.certificate_file, self.key_file))


class Access(Struct, frozen=True):
    """Everything that is needed to talk to an API server. `source` says in messages where it comes from.

    `authority` is the PEM of the certificates to trust, b"" for those of the system, `authority_file` the file it is
    from; `namespace` is the context's; `plugin_config` is what the cluster has for a credential plugin.
    """

    server: str
    source: str
    authority: bytes = b""
    authority_file: Path | None = None
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""
    namespace: str = "default"
    identity: Identity = Identity()
    plugin_config: object = None

    def __repr__(self) -> str:
        return f"<Access to {self.server}, {self.source}>"

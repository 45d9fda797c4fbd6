"""How connections to an API server are secured: whom to trust, and a client certificate where there is one."""

import ssl
import tempfile
from pathlib import Path

from podledger.errors import ClusterError
from podledger_adapters.kubernetes.kubeconfig import Access

__all__ = ["tls_context"]


def tls_context(access: Access, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """The context for an API server; `certificate` and `key` are PEM, b"" for none. Raises ClusterError."""
    try:
        context = ssl.create_default_context(cadata=access.authority.decode("ascii") if access.authority else None)
    except (ssl.SSLError, UnicodeError, ValueError) as error:
        raise ClusterError(f"{access.source}: certificate-authority: no PEM certificate in it ({error})") from error
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        # OpenSSL takes files only; the directory is ours alone, and gone again at once.
        with tempfile.TemporaryDirectory() as place:
            pair = Path(place) / "pair.pem"
            pair.touch(mode=0o600)
            pair.write_bytes(certificate.rstrip() + b"\n" + key)
            try:
                context.load_cert_chain(pair)
            except (ssl.SSLError, OSError) as error:
                why = "client-certificate and client-key do not belong together, or are no PEM"
                raise ClusterError(f"{access.source}: {why} ({error})") from error
    return context

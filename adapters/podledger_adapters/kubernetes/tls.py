"""How connections to an API server are secured: whom to trust, and a client certificate where there is one."""

import ssl
import tempfile
from pathlib import Path

from podledger.errors import ClusterError
from podledger_adapters.kubernetes.access import Access

__all__ = ["tls_context"]


def tls_context(access: Access, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """The context for an API server; `certificate` and `key` are PEM, b"" for none. Raises ClusterError.

    The authority's file is read again each time, for authorities are replaced too.
    """
    try:
        authority = access.authority if access.authority_file is None else access.authority_file.read_bytes()
        # Outside its certificates a PEM file may say what it likes; OpenSSL takes ASCII only.
        context = ssl.create_default_context(cadata=authority.decode("ascii", errors="ignore") or None)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror if not isinstance(error, ssl.SSLError) else f"no PEM certificate in it ({error})"
        raise ClusterError(f"{access.source}: certificate-authority: {why}") from error
    # On by default from Python 3.13: it refuses authorities without identifiers, which many clusters have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
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
                # Without a password OpenSSL would ask for it on the terminal.
                context.load_cert_chain(pair, password="")
            except OSError as error:
                why = "client-certificate and client-key do not belong together, are encrypted, or are no PEM"
                raise ClusterError(f"{access.source}: {why} ({error})") from error
    return context

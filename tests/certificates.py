"""Certificates for tests: an authority of one's own, servers and clients that it vouches for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podledger_adapters.server.certificates import certificate_builder

__all__ = ["Authority", "Pair", "common_name"]

HOUR = timedelta(hours=1)


class Pair(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """The paths of NAME.crt and NAME.key."""
        paths = directory / f"{name}.crt", directory / f"{name}.key"
        for path, content in zip(paths, self, strict=True):
            path.write_bytes(content)
        return paths


class Authority:
    """Vouches. Its certificates have no key identifiers, as those of many clusters."""

    def __init__(self, name: str = "test-ca") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def server(self, *hosts: str) -> Pair:
        """A server of these names and addresses."""
        names = x509.SubjectAlternativeName([_general(host) for host in hosts])
        return self._issue([x509.NameAttribute(NameOID.COMMON_NAME, "server")], names)

    def client(self, user: str, groups: Sequence[str] = (), *, password: bytes | None = None) -> Pair:
        """A user and its groups, as Kubernetes reads them; with a password the key is encrypted."""
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        return self._issue([*subject, x509.NameAttribute(NameOID.COMMON_NAME, user)], None, password)

    def _issue(
        self,
        subject: list[x509.NameAttribute[str]],
        names: x509.SubjectAlternativeName | None,
        password: bytes | None = None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(x509.Name(subject), self._name, key)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        pem = serialization.Encoding.PEM
        locked = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
        return Pair(
            builder.sign(self._key, hashes.SHA256()).public_bytes(pem),
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, locked),
        )


def common_name(certificate: bytes) -> str:
    """Whose a certificate (DER) is."""
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return certificate_builder(subject, issuer, key, datetime.now(UTC), HOUR)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)

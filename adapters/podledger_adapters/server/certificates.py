"""The server's own certificate authority and certificate, so that clients can know whom they talk to.

Made anew where none are kept; kept ones are used again while they are good, so that a kubeconfig written before a
restart stays valid. Keys are files of mode 0600 in a directory of mode 0700.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from podledger_adapters.server.private_file import write_private

__all__ = ["Certificates", "certificate_builder", "server_certificates"]

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
"""A kept certificate that ends sooner is made anew."""
SKEW = timedelta(hours=1)
"""How far a client's clock may be behind."""


class Certificates(Struct, frozen=True):
    """Paths of what a TLS server needs, and the authority's certificate (PEM) that clients trust, also as a file."""

    certificate: Path
    key: Path
    authority: bytes
    authority_file: Path


def server_certificates(directory: Path, hosts: Sequence[str], now: datetime) -> Certificates:
    """A server certificate for these names and addresses, of the authority kept in `directory`. Raises OSError."""
    ca_path, ca_key_path = directory / "ca.crt", directory / "ca.key"
    certificate_path, key_path = directory / "server.crt", directory / "server.key"
    kept = _read(ca_path, ca_key_path, now)
    if kept is None:
        kept = _authority(now)
        write_private(ca_key_path, _key_pem(kept[1]))
        write_private(ca_path, kept[0].public_bytes(serialization.Encoding.PEM))
    authority, authority_key = kept
    present = _read(certificate_path, key_path, now)
    if present is None or not _is_for(present[0], authority, hosts):
        certificate, key = _certificate(authority, authority_key, hosts, now)
        write_private(key_path, _key_pem(key))
        write_private(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
    trusted = authority.public_bytes(serialization.Encoding.PEM)
    return Certificates(certificate_path, key_path, trusted, ca_path)


Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _read(certificate_path: Path, key_path: Path, now: datetime) -> Pair | None:
    """A kept pair that is good for a while yet; None for one that is missing, unreadable, foreign or old."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return (certificate, key) if certificate.not_valid_after_utc - now > RENEW_BEFORE else None


def _is_for(certificate: x509.Certificate, authority: x509.Certificate, hosts: Sequence[str]) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # cryptography raises whatever the key's kind makes it raise
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return list(names) == _names(hosts)


def _authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # Each authority bears a name of its own: two of the same name confuse clients that trust both.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"podledger-ca@{int(now.timestamp())}")])
    certificate = (
        _builder(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signing_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _certificate(
    authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, hosts: Sequence[str], now: datetime
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "podledger")])
    certificate = (
        _builder(name, authority.subject, key, now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signing_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return certificate_builder(subject, issuer, key, now, life).add_extension(identifier, critical=False)


def certificate_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    """A certificate to be completed and signed, good from now on, also by a clock that is a little behind."""
    now = now.astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
    )


def _usage(*, signing_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signing_certificates,
        crl_sign=signing_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

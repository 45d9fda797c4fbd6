"""The server's certificates and files: made once, used again while good, and readable by their owner alone."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from podledger.errors import InputError
from podledger_adapters.server.certificates import server_certificates
from podledger_adapters.server.kubeconfig import read_kubeconfig, write_kubeconfig
from podledger_adapters.server.private_file import write_private
from podledger_adapters.server.serving import Address, is_loopback, parse_address

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOSTS = ("localhost", "127.0.0.1", "::1")


def test_they_are_used_again_while_they_are_good(tmp_path: Path) -> None:
    first = server_certificates(tmp_path, HOSTS, NOW)
    served = first.certificate.read_bytes()
    assert server_certificates(tmp_path, HOSTS, NOW + timedelta(days=100)) == first
    assert first.certificate.read_bytes() == served
    renewed = server_certificates(tmp_path, HOSTS, NOW + timedelta(days=350))
    # The server's own is renewed; whoever trusts the authority goes on.
    assert first.certificate.read_bytes() != served
    assert renewed.authority == first.authority
    server_certificates(tmp_path, (*HOSTS, "example.test"), NOW)
    names = x509.load_pem_x509_certificate(first.certificate.read_bytes()).extensions
    listed = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert listed.get_values_for_type(x509.DNSName) == ["localhost", "example.test"]
    much_later = server_certificates(tmp_path, HOSTS, NOW + timedelta(days=3640))
    assert much_later.authority != first.authority


@pytest.mark.parametrize("name", ["ca.key", "ca.crt", "server.key", "server.crt"])
def test_what_cannot_be_read_is_made_anew(tmp_path: Path, name: str) -> None:
    server_certificates(tmp_path, HOSTS, NOW)
    (tmp_path / name).write_text("nonsense")
    made = server_certificates(tmp_path, HOSTS, NOW)
    x509.load_pem_x509_certificate(made.certificate.read_bytes()).verify_directly_issued_by(
        x509.load_pem_x509_certificate(made.authority)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)


def test_files_are_their_owners_alone_whatever_was_there(tmp_path: Path) -> None:
    server_certificates(tmp_path, HOSTS, NOW)
    path = tmp_path / "kubeconfig"
    path.write_text("open to all")
    path.chmod(0o644)
    write_kubeconfig(path, "https://127.0.0.1:8443", "secret", b"PEM")
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    access = read_kubeconfig(path)
    assert (access.server, access.token, access.authority) == ("https://127.0.0.1:8443", "secret", b"PEM")


def test_a_file_that_cannot_be_put_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):  # noqa: PT011 (which one depends on the system)
        write_private(tmp_path / "taken", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8443", Address("127.0.0.1", 8443)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:1", Address("localhost", 1)),
        ("8443", Address("127.0.0.1", 8443)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":80", "x", "x:y", "x:99999", "::1:80", "x:-1", "x:٣"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InputError, match="--listen"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback

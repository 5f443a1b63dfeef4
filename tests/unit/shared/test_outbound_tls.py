"""Certificates of the servers that clients' URLs lead to."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.network.fetching import FetchError, fetch
from shared.network.outbound import OutboundClient

HERE = "127.0.0.1"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for this machine that no authority has signed, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HERE)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HERE))])
    signed = builder.add_extension(names, critical=False).sign(key, SHA256())
    file = tmp_path / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def asked(certificate: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a server with that certificate, and the paths that were asked of it."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)

    server = ThreadingHTTPServer((HERE, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://{HERE}:{server.server_port}", paths
    server.shutdown()
    server.server_close()


def test_a_server_whose_certificate_nobody_vouches_for_is_asked_nothing(
    asked: tuple[str, list[str]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, paths = asked
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # which would make it known
    with (
        OutboundClient([ip_network(HERE)]) as client,
        pytest.raises(FetchError, match=r"(?i)certificate.verify.failed"),
    ):
        fetch(client, f"{site}/picture", max_bytes=1000, timeout_s=10)
    assert paths == []

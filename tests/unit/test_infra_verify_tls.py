"""The check of an installation's encryption, over a real connection."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.verify.finding import State
from infra.verify.service import Service


class Handler(BaseHTTPRequestHandler):
    """Lives, and has nothing else."""

    def do_GET(self) -> None:
        body = json.dumps({"status": "ok"}).encode()
        self.send_response(200 if self.path == "/healthz" else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self) -> None:
        self.send_response(405)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a file with the key and the certificate of 127.0.0.1, which runs out in so many days."""

    def make(days: int) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days, hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = tmp_path / "certificate.pem"
        path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        return path

    return make


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """Serves with a certificate; the address."""
    servers: list[ThreadingHTTPServer] = []

    def serve(certificate: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"https://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("days", "state"), [(90, State.OK), (7, State.MISSING)])
def test_the_certificate_of_the_connection_is_looked_at(
    certificate: Callable[[int], Path],
    served: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    state: State,
) -> None:
    made = certificate(days)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    found = {finding.subject: finding for finding in Service(served(made), None, None).findings()}
    assert found["TLS"].state is state
    assert found["TLS"].detail.startswith("TLSv1.3, the certificate runs out on 20")
    assert found["lives"].state is State.OK


def test_a_certificate_that_nobody_vouches_for_is_no_connection(
    certificate: Callable[[int], Path], served: Callable[[Path], str]
) -> None:
    (finding,) = Service(served(certificate(90)), None, None).findings()
    assert finding.state is State.MISSING
    assert "certificate verify failed" in finding.detail

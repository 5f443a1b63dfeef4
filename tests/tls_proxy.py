"""TLS in front of a server that speaks none, and the certificates for it."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HERE = "127.0.0.1"


@dataclass(frozen=True)
class Certificates:
    """PEM files, in which each certificate comes with its key."""

    authority: Path
    server: Path
    client: Path

    @classmethod
    def made(cls, folder: Path) -> "Certificates":
        """An authority of one's own, and what it has signed."""
        folder.mkdir()
        signer, name = ec.generate_private_key(ec.SECP256R1()), _name("authority")
        files = {kind: folder / f"{kind}.pem" for kind in ("authority", "server", "client")}
        for kind, file in files.items():
            key = signer if kind == "authority" else ec.generate_private_key(ec.SECP256R1())
            now = datetime.now(UTC)
            builder = x509.CertificateBuilder(name, _name(kind), key.public_key(), x509.random_serial_number())
            builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HERE))])
            builder = builder.add_extension(names, critical=False)
            authority = x509.BasicConstraints(ca=kind == "authority", path_length=None)
            signed = builder.add_extension(authority, critical=True).sign(signer, SHA256())
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            file.write_bytes(private + signed.public_bytes(Encoding.PEM))
        return cls(**files)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


@contextmanager
def tls_proxy(to_port: int, certificates: Certificates) -> Iterator[int]:
    """Yield the port on which the server answers to clients with a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    listening: Future[tuple[int, Callable[[], object]]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_forwarding(to_port, context, listening)))
    thread.start()
    port, stop = listening.result(timeout=10)
    try:
        yield port
    finally:
        stop()
        thread.join()


async def _forwarding(
    to_port: int, context: ssl.SSLContext, listening: "Future[tuple[int, Callable[[], object]]]"
) -> None:
    """Forward until told to stop; `listening` gets the port, and the function that does so."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # the end of the test
            from_server, to_server = await asyncio.open_connection(HERE, to_port)
            await asyncio.gather(_copied(reader, to_server), _copied(from_server, writer))

    server = await asyncio.start_server(forward, HERE, 0, ssl=context)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    listening.set_result((server.sockets[0].getsockname()[1], partial(loop.call_soon_threadsafe, stopped.set)))
    await stopped.wait()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either side may leave at any time
    finally:
        writer.close()

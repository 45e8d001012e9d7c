"""Self-signed certificates."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.tls.pair import PairFiles

HOUR = datetime.timedelta(hours=1)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_certificate(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """Create a self-signed certificate for these names; return its file, and an SSL context for the server."""
    files = make_pair(folder, *names)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    return files.certificate, context


def make_pair(
    folder: Path, *names: str, key: PrivateKey | None = None, valid: datetime.timedelta = HOUR, prefix: str = ""
) -> PairFiles:
    """Create a self-signed certificate for these names, by default with an EC key; return the files of the pair."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 48 * HOUR)
        .not_valid_after(now + valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = PairFiles(folder / f"{prefix}certificate.pem", folder / f"{prefix}key.pem")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(pem(key))
    return files


def pem(key: PrivateKey, passphrase: bytes | None = None, *, traditional: bool = False) -> bytes:
    """Return a private key in PEM, encrypted if there is a passphrase."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase),
    )


def trusting(files: PairFiles) -> ssl.SSLContext:
    """Return an SSL context for a client that trusts this certificate alone."""
    return ssl.create_default_context(cafile=files.certificate)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

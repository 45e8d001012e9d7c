"""The certificate and the private key of a server, read from PEM files.

No message contains the content of a file or its path, which may be a key by mistake.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Literal, NamedTuple

Setting = Literal["tls_cert", "tls_key"]

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
_ENCRYPTED_KEY = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)
_MAX_BYTES = 1024 * 1024
_MISMATCH = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED", "UNKNOWN_KEY_TYPE"})
_WEAK = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_MD_TOO_WEAK"})


class PairFiles(NamedTuple):
    """The files of a certificate with its chain, and of its private key."""

    certificate: Path
    key: Path


class PairError(Exception):
    """A pair that cannot be used: the setting, and the problem with its fix."""

    def __init__(self, setting: Setting, problem: str) -> None:
        self.setting: Setting = setting
        self.problem = problem
        super().__init__(f"GATEWAY_{setting.upper()} {problem}")


def load_context(files: PairFiles) -> ssl.SSLContext:
    """Return a TLS context of a server for a pair. Raises `PairError`."""
    _check_certificate(_read("tls_cert", files.certificate))
    _check_key(_read("tls_key", files.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_passphrase)
    except ssl.SSLError as error:
        raise _load_error(error) from None
    except OSError as error:
        # Replaced since it was read.
        raise PairError("tls_cert", _unreadable(error)) from None
    return context


def certificates(data: bytes) -> list[str]:
    """Return the certificates in the content of a PEM file, the server's own first."""
    return [block.decode("ascii", "replace") for block in _CERTIFICATE.findall(data)]


def _read(setting: Setting, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise PairError(setting, _unreadable(error)) from None


def _unreadable(error: OSError) -> str:
    reason = error.strerror or "invalid path"
    return f"names a file that cannot be read ({reason}): check the path, and the permissions of the file"


def _check_certificate(data: bytes) -> None:
    blocks = certificates(data)
    if not blocks:
        raise PairError(
            "tls_cert",
            "names a file without a certificate in PEM (-----BEGIN CERTIFICATE-----): convert it to PEM, and check"
            " that GATEWAY_TLS_CERT and GATEWAY_TLS_KEY are not interchanged",
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="\n".join(blocks))
    except (ssl.SSLError, ValueError):
        problem = "names a file with a certificate that cannot be parsed: copy the file again"
        raise PairError("tls_cert", problem) from None


def _check_key(data: bytes) -> None:
    if _ENCRYPTED_KEY.search(data):
        raise _encrypted()
    if not _KEY.search(data):
        raise PairError(
            "tls_key",
            "names a file without a private key in PEM (-----BEGIN PRIVATE KEY-----): convert it to PEM, and check"
            " that GATEWAY_TLS_CERT and GATEWAY_TLS_KEY are not interchanged",
        )


def _encrypted() -> PairError:
    return PairError(
        "tls_key",
        "names a file with an encrypted key: write the key without a passphrase into another file, with"
        " `openssl pkey -in encrypted.key -out tls.key`, and restrict its permissions",
    )


def _refuse_passphrase() -> bytes:
    """Stand in for the prompt of OpenSSL on the terminal."""
    raise _encrypted()


def _load_error(error: ssl.SSLError) -> PairError:
    reason = error.reason or ""
    if reason in _MISMATCH:
        return PairError(
            "tls_key",
            "does not fit the first certificate in GATEWAY_TLS_CERT: name the key that it was issued for, and put the"
            " certificate of the server before those of its chain",
        )
    if reason in _WEAK:
        problem = f"names a certificate that is too weak ({reason}): issue one with an EC key, or RSA with 2048 bits"
        return PairError("tls_cert", problem)
    return PairError("tls_key", "names a file with a private key that cannot be parsed: copy the file again")

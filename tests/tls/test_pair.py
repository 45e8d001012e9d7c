"""A pair of certificate and key is loaded only if it can serve; each fault names the setting and the fix."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.tls.pair import PairError, PairFiles, load_context
from tests.support.certificates import PrivateKey, make_pair, pem

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())

Break = Callable[[PairFiles], None]


def append(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
@pytest.mark.parametrize("traditional", [False, True])
def test_both_kinds_of_keys_are_loaded_in_both_formats(tmp_path: Path, key: PrivateKey, traditional: bool) -> None:
    files = make_pair(tmp_path, "localhost", key=key)
    files.key.write_bytes(pem(key, traditional=traditional))
    assert load_context(files).minimum_version == ssl.TLSVersion.TLSv1_2


def test_certificate_and_key_may_be_in_one_file_with_other_text(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "localhost")
    append(files.certificate, b"\nBag Attributes: \xc3\xa9\n" + files.key.read_bytes())
    load_context(PairFiles(files.certificate, files.certificate))


def exchange_names(files: PairFiles) -> None:
    certificate, key = files.certificate.read_bytes(), files.key.read_bytes()
    files.certificate.write_bytes(key)
    files.key.write_bytes(certificate)


def put_another_certificate_first(files: PairFiles) -> None:
    other = make_pair(files.certificate.parent, "other.example", prefix="other-")
    files.certificate.write_bytes(other.certificate.read_bytes() + files.certificate.read_bytes())


@pytest.mark.parametrize(
    ("broken", "setting", "says"),
    [
        (lambda files: files.certificate.unlink(), "tls_cert", "cannot be read (No such file or directory)"),
        (lambda files: files.key.unlink(), "tls_key", "cannot be read (No such file or directory)"),
        (lambda files: files.certificate.write_bytes(b""), "tls_cert", "without a certificate in PEM"),
        (lambda files: files.certificate.write_bytes(b"\x30\x82"), "tls_cert", "without a certificate in PEM"),
        (lambda files: files.key.write_bytes(b"\x30\x82"), "tls_key", "without a private key in PEM"),
        (exchange_names, "tls_cert", "not interchanged"),
        (lambda files: files.key.write_bytes(pem(RSA)), "tls_key", "does not fit the first certificate"),
        (lambda files: files.key.write_bytes(pem(EC)), "tls_key", "does not fit the first certificate"),
        (put_another_certificate_first, "tls_key", "before those of its chain"),
        (lambda files: files.key.write_bytes(pem(EC, b"secret")), "tls_key", "openssl pkey"),
        (lambda files: files.key.write_bytes(pem(RSA, b"secret", traditional=True)), "tls_key", "openssl pkey"),
        (lambda files: files.key.write_bytes(files.key.read_bytes()[:100]), "tls_key", "copy the file again"),
        (
            lambda files: append(files.certificate, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            "tls_cert",
            "copy the file again",
        ),
        (
            lambda files: make_pair(files.key.parent, key=rsa.generate_private_key(65537, 1024)),
            "tls_cert",
            "too weak (EE_KEY_TOO_SMALL)",
        ),
    ],
)
def test_a_pair_that_cannot_serve_is_refused_with_the_setting_and_the_fix(
    tmp_path: Path, broken: Break, setting: str, says: str
) -> None:
    files = make_pair(tmp_path, "localhost")
    broken(files)
    with pytest.raises(PairError, match=re.escape(says)) as raised:
        load_context(files)
    assert raised.value.setting == setting
    assert str(raised.value).startswith(f"GATEWAY_{setting.upper()} ")
    assert str(tmp_path) not in str(raised.value), "it may be a key by mistake"


def test_a_file_that_the_user_may_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_pair(tmp_path, "localhost")
    opened = Path.open

    def denied(path: Path, mode: str) -> object:
        if path == files.key:
            raise PermissionError(13, "Permission denied")
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(PairError, match=r"GATEWAY_TLS_KEY .*\(Permission denied\)"):
        load_context(files)

"""The TLS certificate and its key are checked before the start, and named with the fix if they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Command, load_settings
from tests.settings.faults import faults
from tests.support.certificates import make_pair


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("TLS_CERT", "GATEWAY_TLS_CERT: is set without GATEWAY_TLS_KEY: set both for TLS, or neither"),
        ("TLS_KEY", "GATEWAY_TLS_KEY: is set without GATEWAY_TLS_CERT: set both for TLS, or neither"),
    ],
)
@pytest.mark.parametrize("other", [None, ""])
def test_one_without_the_other_stops_the_start(
    given: str, says: str, other: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"GATEWAY_{given}", "/etc/tls.pem")
    if other is not None:
        monkeypatch.setenv("GATEWAY_TLS_KEY" if given == "TLS_CERT" else "GATEWAY_TLS_CERT", other)
    assert faults() == [says]


@pytest.mark.parametrize("command", ["up", "proxy", "admin"])
def test_a_pair_that_cannot_serve_stops_the_start(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_pair(tmp_path, "localhost")
    files.key.unlink()
    monkeypatch.setenv("GATEWAY_TLS_CERT", str(files.certificate))
    monkeypatch.setenv("GATEWAY_TLS_KEY", str(files.key))
    assert (
        "GATEWAY_TLS_KEY: names a file that cannot be read (No such file or directory): check the path, and the"
        " permissions of the file"
    ) in faults(command=command)


def test_a_fault_names_the_settings_file(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "localhost")
    files.certificate.write_text("")
    config = tmp_path / "gateway.toml"
    config.write_text(f'tls_cert = "{files.certificate}"\ntls_key = "{files.key}"\n')
    [fault] = faults(config=config, command="up")
    assert fault.startswith(f"tls_cert in {config}: names a file without a certificate in PEM")


def test_other_commands_do_not_need_to_read_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TLS_CERT", str(tmp_path / "tls.crt"))
    monkeypatch.setenv("GATEWAY_TLS_KEY", str(tmp_path / "tls.key"))
    assert load_settings().tls_key == tmp_path / "tls.key"


@pytest.mark.parametrize("separator", ["\n", "\\n", " "])
def test_a_key_as_a_value_is_a_fault_that_does_not_show_it(separator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TLS_KEY", separator.join(("-----BEGIN PRIVATE KEY-----", "MIGHAgEAMB")))
    assert faults() == ["GATEWAY_TLS_KEY: must be the path of a file, not its content"]

"""Values as containers give them: secrets in files, empty variables, kept quotes, service links."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Settings, load_settings
from gateway.settings.model import FILE_SETTINGS
from tests.settings.faults import faults

SECRET = "s3cr3t-" * 6

VALUES = {
    "upstream_authorization": "Bearer hunter2",
    "jwt_secret": SECRET,
    "jwt_previous_secrets": f"{SECRET},{SECRET[::-1]}",
    "admin_password": "correct-horse-battery",
    "key_pepper": SECRET,
    "upstream_url": "https://mcp.example.com/mcp?token=hunter2",
    "redis_url": "redis://:hunter2@redis:6379/0",
    "clickhouse_url": "http://u:hunter2@clickhouse:8123/usage",
    "webhook_url": "https://hooks.example.com/services/hunter2",
    "webhook_secret": "hunter2",
}


def plain(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


def test_every_setting_that_a_file_can_contain_has_a_value_in_this_test() -> None:
    assert set(FILE_SETTINGS) == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_or_url_can_be_read_from_a_file_without_its_line_end(
    name: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "value").write_bytes((VALUES[name] + end).encode())
    monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", str(tmp_path / "value"))
    settings = load_settings()
    assert plain(settings, name) == VALUES[name]
    assert {row.name: row.source for row in settings.effective()}[name] == "environment"


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n\r\n"])
def test_only_one_line_end_is_removed(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "value").write_bytes((SECRET + end).encode())
    monkeypatch.setenv("GATEWAY_JWT_SECRET_FILE", str(tmp_path / "value"))
    kept = {"\n\n": "\n", "\r\n\r\n": "\r\n", "\n\r\n": "\n"}[end]
    assert plain(load_settings(), "jwt_secret") == SECRET + kept


def test_a_settings_file_can_name_files_too_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jwt").write_text(SECRET)
    (tmp_path / "redis").write_text("redis://redis:6379\n")
    config = tmp_path / "gateway.toml"
    config.write_text(f'jwt_secret_file = "{tmp_path / "jwt"}"\nredis_url = "redis://elsewhere"\n')
    monkeypatch.setenv("GATEWAY_REDIS_URL_FILE", str(tmp_path / "redis"))
    settings = load_settings(config)
    assert plain(settings, "jwt_secret") == SECRET
    assert settings.redis_url == "redis://redis:6379"


def test_a_value_and_a_file_for_one_setting_are_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jwt").write_text(SECRET)
    monkeypatch.setenv("GATEWAY_JWT_SECRET", SECRET)
    monkeypatch.setenv("GATEWAY_JWT_SECRET_FILE", str(tmp_path / "jwt"))
    assert faults(command="up") == [
        "GATEWAY_JWT_SECRET_FILE: is set together with GATEWAY_JWT_SECRET: remove one of them"
    ]
    monkeypatch.setenv("GATEWAY_JWT_SECRET", "")
    assert plain(load_settings(), "jwt_secret") == SECRET
    monkeypatch.setenv("GATEWAY_JWT_SECRET", SECRET)
    monkeypatch.setenv("GATEWAY_JWT_SECRET_FILE", "")
    assert plain(load_settings(), "jwt_secret") == SECRET


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "names a file that cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff" * 40, "is not UTF-8"),
        (b"x" * 100_000, "of more than 65536 bytes"),
        (b"hunter2", "must have at least 32 bytes"),
        (b'"' + SECRET.encode() + b'"\n', 'begins and ends with double quotes (")'),
    ],
)
def test_a_file_without_a_usable_value_is_a_fault_that_names_the_variable_and_shows_nothing_else(
    content: bytes | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hunter2"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("GATEWAY_JWT_SECRET_FILE", str(path))
    monkeypatch.setenv("GATEWAY_REDIS_URL", "redis://redis")
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://clickhouse:8123")
    [fault] = faults(command="admin")
    assert fault.startswith("GATEWAY_JWT_SECRET_FILE: ")
    assert says in fault
    assert "hunter2" not in fault
    assert SECRET not in fault


def test_a_folder_is_no_file_with_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY_PEPPER_FILE", str(tmp_path))
    assert faults() == ["GATEWAY_KEY_PEPPER_FILE: names a file that cannot be read (Is a directory)"]


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_variable_that_is_empty_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(load_settings(), name)
    monkeypatch.setenv(f"GATEWAY_{name.upper()}", "")
    settings = load_settings()
    assert getattr(settings, name) == (() if name == "public_methods" else default)
    expected = "environment" if name == "public_methods" else "default"
    assert {row.name: row.source for row in settings.effective()}[name] == expected


def test_an_empty_variable_leaves_the_value_of_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('proxy_port = 7001\nhost = ""\nmetering_rules = ""\n')
    monkeypatch.setenv("GATEWAY_PROXY_PORT", "")
    settings = load_settings(config)
    assert (settings.proxy_port, settings.host, settings.metering_rules) == (7001, "127.0.0.1", config)


def test_a_required_setting_that_is_empty_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_REDIS_URL", "")
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", "http://mcp:9000/mcp")
    [fault] = faults(command="proxy")
    assert fault.startswith("GATEWAY_REDIS_URL: is required by `mcp-gateway proxy`")


@pytest.mark.parametrize(("quote", "named"), [('"', 'double quotes (")'), ("'", "single quotes (')")])
@pytest.mark.parametrize(
    ("name", "value"),
    [*VALUES.items(), ("proxy_port", "8001"), ("host", "127.0.0.1"), ("allowed_origins", "https://a.example"), *[
        (f"{name}_file", "/run/secrets/value") for name in VALUES
    ]],
)  # fmt: skip
def test_a_value_within_quotes_is_a_fault_that_names_the_quotes_and_not_the_value(
    name: str, value: str, quote: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"GATEWAY_{name.upper()}", quote + value + quote)
    assert faults() == [f"GATEWAY_{name.upper()}: begins and ends with {named}: remove the quotes"]


@pytest.mark.parametrize("value", ['""', "''", '"8001"\r', " '8001' "])
def test_quotes_around_nothing_or_within_white_space_are_found_too(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PROXY_PORT", value)
    [fault] = faults()
    assert "remove the quotes" in fault


@pytest.mark.parametrize("value", ['"begins-with-one', "ends-with-one'", "\"two-kinds-of-them'", 'in"the"middle'])
def test_other_quotes_belong_to_the_value(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_PASSWORD", value)
    assert plain(load_settings(), "admin_password") == value


SERVICE_LINKS = {
    "GATEWAY_SERVICE_HOST": "10.0.0.1",
    "GATEWAY_SERVICE_PORT": "8001",
    "GATEWAY_SERVICE_PORT_HTTP": "8001",
    "GATEWAY_PORT": "tcp://10.0.0.1:8001",
    "GATEWAY_PORT_8001_TCP": "tcp://10.0.0.1:8001",
    "GATEWAY_PORT_8001_TCP_PROTO": "tcp",
    "GATEWAY_PORT_8001_TCP_PORT": "8001",
    "GATEWAY_PORT_8001_TCP_ADDR": "10.0.0.1",
    "GATEWAY_PROXY_SERVICE_HOST": "10.0.0.2",
    "GATEWAY_PROXY_PORT": "tcp://10.0.0.2:8001",
    "GATEWAY_ADMIN_PORT": "tcp://10.0.0.3:8000",
    "GATEWAY_ADMIN_PORT_8000_TCP": "tcp://10.0.0.3:8000",
    "GATEWAY_METRICS_PORT": "udp://[fd00::3]:8003",
}


def test_variables_that_kubernetes_sets_for_a_service_are_ignored_with_one_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SERVICE_LINKS.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(command="up")
    assert (settings.proxy_port, settings.admin_port, settings.metrics_port) == (8001, 8000, 8003)
    [warning] = settings.warnings
    assert warning.startswith(
        "GATEWAY_ADMIN_PORT, GATEWAY_ADMIN_PORT_8000_TCP, GATEWAY_METRICS_PORT and 10 more: ignored"
    )
    assert "enableServiceLinks: false" in warning


def test_settings_without_such_variables_have_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PROXY_PORT", "7001")
    assert load_settings().warnings == ()

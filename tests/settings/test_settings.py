"""Settings: sources of values, faults, masking of secrets."""

from __future__ import annotations

import os
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from gateway.proxy.config import ProxyConfig, read_config
from gateway.settings import Settings, SettingsError, load_settings
from gateway.settings.descriptions import DESCRIPTIONS
from gateway.settings.markdown import settings_page
from tests.settings.faults import faults

SECRET = "s3cr3t-" * 6


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert (settings.host, settings.proxy_port, settings.admin_port) == ("127.0.0.1", 8001, 8000)
    assert settings.metrics_port == 8003
    assert settings.proxy_paths == ("/messages", "/mcp")
    assert settings.public_methods == ("initialize", "notifications/initialized", "server/discover")
    assert settings.max_request_bytes == 4 * 1024 * 1024
    assert 1 <= settings.workers <= 4
    assert settings.data_dir == Path.cwd() / "data"
    assert (settings.connect_timeout, settings.first_byte_timeout, settings.idle_timeout) == (5, 300, 3600)


def test_later_sources_win_and_the_source_of_each_value_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('host = "10.0.0.1"\nproxy_port = 1\nadmin_port = 2\nproxy_paths = ["/a", "/b"]\n')
    monkeypatch.setenv("GATEWAY_PROXY_PORT", "3")
    monkeypatch.setenv("GATEWAY_ADMIN_PORT", "4")
    settings = load_settings(config, {"admin_port": 5, "workers": None})
    assert (settings.host, settings.proxy_port, settings.admin_port) == ("10.0.0.1", 3, 5)
    assert settings.proxy_paths == ("/a", "/b")
    sources = {row.name: row.source for row in settings.effective()}
    assert sources["host"] == "file"
    assert sources["proxy_port"] == "environment"
    assert sources["admin_port"] == "flag"
    assert sources["workers"] == "default"


def test_lists_are_texts_with_commas_or_toml_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PROXY_PATHS", " /mcp , /messages,,/mcp ")
    monkeypatch.setenv("GATEWAY_PUBLIC_METHODS", "")
    config = tmp_path / "gateway.toml"
    config.write_text('trusted_proxies = ["10.0.0.0/8", "192.0.2.7"]\nallowed_origins = "https://a.example,loopback"')
    settings = load_settings(config)
    assert settings.proxy_paths == ("/mcp", "/messages")
    assert settings.public_methods == ()
    assert settings.trusted_proxies == ("10.0.0.0/8", "192.0.2.7/32")
    assert settings.allowed_origins == ("https://a.example", "loopback")


def test_all_faults_are_reported_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('proxy_prot = 1\nhost = "a b"\n[metrics]\nport = 1')
    monkeypatch.setenv("GATEWAY_UPSTREM_URL", "http://x/")
    monkeypatch.setenv("GATEWAY_ADMIN_PORT", "99999")
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", "localhost:9000")
    monkeypatch.setenv("GATEWAY_PROXY_PATHS", "mcp")
    monkeypatch.setenv("GATEWAY_JWT_SECRET", "short")
    found = faults(config=config, flags={"workers": 0, "metrics_port": 8001}, command="admin")
    expected = [
        f"proxy_prot in {config}: is not a setting: did you mean proxy_port?",
        f"metrics in {config}: is not a setting: did you mean metrics_port?",
        f"host in {config}: must be an IP address or a host name, without a port",
        "GATEWAY_UPSTREM_URL: is not a setting: did you mean GATEWAY_UPSTREAM_URL?",
        "GATEWAY_ADMIN_PORT: must be a number from 1 to 65535, not 99999",
        "GATEWAY_UPSTREAM_URL: must be a full URL, such as http://127.0.0.1:9000/mcp",
        'GATEWAY_PROXY_PATHS: contains a path that does not start with "/" or has a query or other '
        "characters that need encoding",
        "GATEWAY_JWT_SECRET: must have at least 32 bytes: make one with `openssl rand -hex 32`",
        "--workers: must be a number from 1 to 256, not 0",
        "--metrics-port: is 8001, which is proxy_port or admin_port: choose another port, or 0 for none",
        "GATEWAY_REDIS_URL: is required by `mcp-gateway admin`: set it to the Redis that proxy and admin "
        "share, such as redis://10.0.0.6:6379/0",
        "GATEWAY_CLICKHOUSE_URL: is required by `mcp-gateway admin`: set it to "
        "http(s)://user:password@host:8123/database",
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("PROXY_PORT", "0", "from 1 to 65535"),
        ("PROXY_PORT", "http", "whole number, not http"),
        ("PROXY_PORT", "8000", "is 8000, the same as proxy_port"),
        ("UPSTREAM_URL", "ftp://a/mcp", "full URL"),
        ("UPSTREAM_URL", "http:///mcp", "full URL"),
        ("UPSTREAM_URL", "http://a:99999/mcp", "check the host and the port"),
        ("UPSTREAM_URL", "http://u:p@a/mcp", "GATEWAY_UPSTREAM_AUTHORIZATION"),
        ("UPSTREAM_URL", "http://a/mcp\n", "stray"),
        ("UPSTREAM_URL", "http://localhost:8001/mcp", "gateway itself"),
        ("WEBHOOK_URL", "ftp://example.com/hook", "full URL"),
        ("WEBHOOK_URL", "example.com/hook", "full URL"),
        ("WEBHOOK_URL", "https://example.com/hook#top", "fragment"),
        ("WEBHOOK_SECRET", "secret\n", "stray line break"),
        ("PUBLIC_URL", "mcp.example.com/mcp", "full URL"),
        ("PUBLIC_URL", "https://mcp.example.com", "full URL"),
        ("PUBLIC_URL", "https://user@mcp.example.com/mcp", "no user name"),
        ("PUBLIC_URL", "https://mcp.example.com/mcp?key=1", "query"),
        ("UPSTREAM_AUTHORIZATION", "Bearer a\r\nX: y", "plain ASCII"),
        ("REDIS_URL", "valkey.sock", "must start with redis://"),
        ("REDIS_URL", "redis://", "has no host"),
        ("REDIS_URL", "unix://run/valkey.sock", "full path"),
        ("REDIS_URL", "redis+sentinel://a:1,b:2", "has no name of a master"),
        ("CLICKHOUSE_URL", "chdb://data", "full path"),
        ("CLICKHOUSE_URL", "clickhouse://a", "must be http(s)://"),
        ("CLICKHOUSE_CLUSTER", "a`; DROP TABLE b", "name of a cluster"),
        ("PROXY_PATHS", "/healthz", "answers itself"),
        ("PROXY_PATHS", ",", "at least one"),
        ("PROXY_PATHS", "/a/../b", "dot segment"),
        ("PROXY_PATHS", "/mcp?x=1", "need encoding"),
        ("PUBLIC_METHODS", "initialize,tools/call", "cannot be metered"),
        ("ALLOWED_ORIGINS", "*", "origins such as"),
        ("ALLOWED_ORIGINS", "https://a.example/path", "origins without a path"),
        ("ALLOWED_HOSTS", "a.example:8001", "without a port"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "networks such as"),
        ("ADMIN_EMAIL", "root", "email address"),
        ("ADMIN_PASSWORD", "short", "10 to 1024"),
        ("ADMIN_PASSWORD", "Password123", "10,000 most common"),
        ("JWT_SECRET", "x" * 31, "at least 32 bytes"),
        ("JWT_PREVIOUS_SECRETS", f"{'x' * 32},short", "secrets of at least 32 bytes, separated by commas"),
        ("JWT_PREVIOUS_SECRETS", ",", "secrets of at least 32 bytes, separated by commas"),
        ("KEY_PEPPER", "x" * 31, "at least 32 bytes"),
        ("FORWARD_IDENTITY", "maybe", "true or false, not maybe"),
        ("CONNECT_TIMEOUT", "0", "above 0"),
        ("CONNECT_TIMEOUT", "nan", "must be a number"),
        ("USAGE_TTL_DAYS", "0", "from 1 to 36500"),
        ("LOG_FORMAT", "xml", "must be 'auto', 'text' or 'json'"),
        ("DATA_DIR", " ", "is blank"),
        ("SPEED", "1", "is not a setting: remove it"),
        ("SPEED", "tcp://10.0.0.7:8001", "is not a setting: remove it"),
        ("PORT", "8001", "is not a setting: remove it"),
        ("HOST_FILE", "/run/secrets/host", "did you mean GATEWAY_HOST?"),
        ("JWT_SECRT_FILE", "/run/secrets/jwt", "did you mean GATEWAY_JWT_SECRET_FILE?"),
    ],
)
def test_a_malformed_setting_is_named_with_its_fix(
    variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_" + variable, value)
    [fault] = faults()
    assert says in fault
    assert ("GATEWAY_ADMIN_PORT" if "the same as proxy_port" in says else "GATEWAY_" + variable) in fault


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("proxy_port = true", "must be a number"),
        ("proxy_port = [1]", "whole number"),
        ("proxy_paths = [1]", "valid string"),
        ('workers = "many"', "whole number, not many"),
        ("host = ", "is not valid TOML"),
        ("host = 1", "valid string"),
    ],
)
def test_a_malformed_file_is_named_with_its_fix(toml: str, says: str, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(toml)
    [fault] = faults(config=config)
    assert says in fault
    assert str(config) in fault


def test_a_file_that_is_missing_or_not_utf8_is_a_fault(tmp_path: Path) -> None:
    [fault] = faults(config=tmp_path / "none.toml")
    assert "no such file" in fault
    (tmp_path / "latin.toml").write_bytes(b'host = "\xe9"')
    [fault] = faults(config=tmp_path / "latin.toml")
    assert "UTF-8" in fault


@pytest.mark.parametrize("name", ["JWT_SECRET", "KEY_PEPPER", "ADMIN_PASSWORD", "UPSTREAM_AUTHORIZATION"])
@pytest.mark.parametrize("end", ["", "\n", "\x00"])
def test_no_fault_contains_a_secret(name: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "\x00" not in end:
        monkeypatch.setenv("GATEWAY_" + name, "hunter2" + end)
    monkeypatch.setenv("GATEWAY_REDIS_URL", "http://:hunter2@host")
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "ftp://u:hunter2@host")
    found = faults(flags={name.lower(): ["hunter2"]})
    assert len(found) >= 2
    assert "hunter2" not in "".join(found)


def settings_with_secrets() -> Settings:
    return Settings(
        upstream_url="https://a.example/mcp?token=hunter2",
        upstream_authorization=SecretStr("Bearer hunter2"),
        redis_url="redis+sentinel://:hunter2@a:1,b:2/m?x=hunter2",
        clickhouse_url="http://u:hunter2@ch:8123/db",
        jwt_secret=SecretStr("hunter2" * 8),
        key_pepper=SecretStr("hunter2" * 8),
        admin_password=SecretStr("hunter2hunter2"),
    )


def test_effective_settings_and_repr_contain_no_secret() -> None:
    shown = {row.name: row.value for row in settings_with_secrets().effective()}
    assert "hunter2" not in str(shown)
    assert shown["redis_url"] == "redis+sentinel://:********@a:1,b:2/m?x=********"
    assert shown["clickhouse_url"] == "http://u:********@ch:8123/db"
    assert shown["jwt_secret"] == "********"
    assert "hunter2" not in repr(settings_with_secrets())
    assert "hunter2" not in str(settings_with_secrets())
    assert "jwt_secret=********" in repr(settings_with_secrets())


def test_json_for_child_processes_is_one_lossless_line() -> None:
    settings = settings_with_secrets()
    line = settings.to_json()
    assert "\n" not in line
    assert Settings.from_json(line) == settings
    assert "hunter2" not in settings.model_dump_json(include={"jwt_secret", "key_pepper", "admin_password"})


def test_from_json_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Settings().to_json()
    monkeypatch.setenv("GATEWAY_REDIS_URL", "redis://elsewhere")
    assert Settings.from_json(line).redis_url is None


def test_replaced_values_are_validated() -> None:
    settings = load_settings(flags={"host": "::1"})
    changed = settings.replaced(redis_url="unix:///run/valkey.sock")
    assert changed.redis_url == "unix:///run/valkey.sock"
    assert {row.name: row.source for row in changed.effective()}["host"] == "flag"
    with pytest.raises(ValueError, match="redis_url"):
        settings.replaced(redis_url="nonsense")


def test_a_worker_reads_its_config_from_the_same_line() -> None:
    settings = settings_with_secrets().replaced(trusted_proxies=("10.0.0.0/8",))
    config = read_config(settings.to_json())
    for name in ProxyConfig.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        assert getattr(config, name) == (str(value) if isinstance(value, Path) else value), name
    assert "hunter2" not in repr(config)


def test_a_worker_requires_the_upstream_url() -> None:
    with pytest.raises(msgspec.ValidationError, match="upstream_url"):
        read_config(Settings().to_json())


def test_the_worker_config_is_a_subset_of_the_settings() -> None:
    plain = {SecretStr: str, Path: str}
    ours = typing.get_type_hints(ProxyConfig)
    theirs = typing.get_type_hints(Settings)
    for name, kind in ours.items():
        assert name in Settings.model_fields
        options = typing.get_args(theirs[name]) or (theirs[name],)
        kinds = {plain.get(option, option) for option in options}
        if typing.get_origin(theirs[name]) is typing.Literal:
            assert kind is str
        elif typing.get_origin(theirs[name]) is tuple:
            assert kind == theirs[name]
        elif name in {"upstream_url", "redis_url"}:
            assert kinds == {kind, type(None)}
        else:
            assert kinds == set(typing.get_args(kind) or (kind,)), name


def test_the_worker_config_needs_no_pydantic() -> None:
    code = "import sys, gateway.proxy.config; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_is_described_once() -> None:
    assert list(DESCRIPTIONS) == list(Settings.model_fields)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_the_example_of_a_setting_is_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = DESCRIPTIONS[name].example
    for each in ("tls_cert", "tls_key") if name.startswith("tls_") else (name,):
        monkeypatch.setenv("GATEWAY_" + each.upper(), DESCRIPTIONS[each].example)
    rejected = [] if name != "metering_rules" else [f"{example}: cannot be read (No such file or directory)"]
    try:
        load_settings()
    except SettingsError as error:
        rejected = [str(fault) for fault in error.faults if str(fault) not in rejected]
        assert rejected == []


def test_the_page_has_every_setting_with_its_reason_and_example() -> None:
    page = settings_page()
    for name, about in DESCRIPTIONS.items():
        assert f"### GATEWAY_{name.upper()}\n\n{about.meaning}\n" in page
        assert about.reason in page
        assert about.example in page
    assert os.sep + "root" not in page


RULE = '[[metering.rule]]\ntool = "get_*"\nrecords = "length(structuredContent.items)"\n'


def test_metering_rules_are_read_from_the_settings_file_or_a_separate_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, rules = tmp_path / "gateway.toml", tmp_path / "rules.toml"
    config.write_text("workers = 1\n" + RULE)
    assert load_settings(config).metering_rules == config
    rules.write_text(RULE)
    monkeypatch.setenv("GATEWAY_METERING_RULES", str(rules))
    assert load_settings(config).metering_rules == rules
    assert load_settings().metering_rules == rules


def test_a_fault_of_a_metering_rule_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("worker = 1\n" + RULE + RULE.replace("length", "size"))
    assert faults(config=config) == [
        f"worker in {config}: is not a setting: did you mean workers?",
        f"metering.rule 2 (get_*) records in {config}: column 1: there is no function size() "
        "(in size(structuredContent.items))",
    ]
    monkeypatch.setenv("GATEWAY_METERING_RULES", str(tmp_path / "none.toml"))
    assert faults() == [f"{tmp_path / 'none.toml'}: cannot be read (No such file or directory)"]

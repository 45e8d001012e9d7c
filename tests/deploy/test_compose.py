"""The Compose file, parsed but not run; its settings are loaded as in the containers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from gateway.settings import Settings, load_settings
from gateway.settings.load import REQUIRED, Command
from mcp_backend.http_server import PATH as MCP_PATH
from tests.deploy import compose
from tests.deploy.dockerfile import environment as image_environment
from tests.deploy.dockerfile import health_check, inherited, last, read_stages
from tests.support.certificates import make_pair

OURS = ("proxy", "admin", "upstream")
STAGES = read_stages()
SECRET = re.compile("PASSWORD|SECRET|PEPPER|AUTHORIZATION|TOKEN")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = compose.read()["services"]
    return found


def settings_of(
    services: dict[str, Any], role: Command, variables: dict[str, str], patch: pytest.MonkeyPatch
) -> Settings:
    """Load the settings of the container of a role."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        patch.delenv(name)
    service = services[role]
    in_image = image_environment(inherited(STAGES, service["build"]["target"]))
    for name, value in (in_image | compose.environment(service, variables)).items():
        if name.startswith("GATEWAY_"):
            patch.setenv(name, value)
    return load_settings(command=role)


@pytest.mark.parametrize("role", ["proxy", "admin"])
def test_each_role_has_its_required_settings(
    role: Command, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(services, role, compose.FILLED_IN, monkeypatch)
    assert REQUIRED[role]
    assert all(getattr(settings, name) is not None for name in REQUIRED[role])
    assert services[role]["command"] == [role]
    assert settings.host == "0.0.0.0"
    assert settings.allowed_hosts == ("localhost",)


@pytest.mark.parametrize("role", ["proxy", "admin"])
def test_every_optional_setting_reaches_its_role(
    role: Command, services: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optional = dict(line.lstrip("#").split("=", 1) for line in example_lines() if re.match(r"#[A-Z_]+=", line))
    values = {**compose.FILLED_IN, **optional, "GATEWAY_KEY_PEPPER": "x" * 32}
    values["GATEWAY_UPSTREAM_AUTHORIZATION"] = "Bearer abc"
    assert {"GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY"} <= optional.keys()
    files = make_pair(tmp_path, "mcp.example.com")
    values |= {"GATEWAY_TLS_CERT": str(files.certificate), "GATEWAY_TLS_KEY": str(files.key)}
    changed = compose.read(values)["services"]
    settings = settings_of(changed, role, values, monkeypatch)
    assert settings.key_pepper is not None
    assert (settings.tls_cert, settings.tls_key) == files
    assert settings.allowed_hosts == ("mcp.example.com", "mcp-admin.example.com")
    assert settings.trusted_proxies == ("172.16.0.0/12",)
    if role == "proxy":
        assert settings.upstream_url == "http://mcp.internal.example:9000/mcp"
        assert settings.upstream_authorization is not None
        assert settings.workers == 2
    else:
        assert (settings.usage_ttl_days, settings.audit_ttl_days) == (400, 730)
        assert settings.webhook_url is not None


@pytest.mark.parametrize("name", sorted(compose.FILLED_IN))
def test_nothing_starts_while_a_secret_is_missing(name: str) -> None:
    for variables in ({**compose.FILLED_IN, name: ""}, {k: v for k, v in compose.FILLED_IN.items() if k != name}):
        with pytest.raises(compose.MissingVariableError, match=name):
            compose.read(variables)


def test_no_secret_has_a_default() -> None:
    assert {name for name, default in compose.variables_used().items() if SECRET.search(name) and default} == set()
    for service in yaml.safe_load(compose.PATH.read_text())["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name) or name.endswith("_AUTH"):
                assert value is None or re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value)


def test_every_gateway_variable_is_a_setting() -> None:
    known = {"GATEWAY_" + name.upper() for name in Settings.model_fields}
    files = compose.PATH.read_text() + compose.EXAMPLE.read_text()
    assert set(re.findall(r"GATEWAY_[A-Z_]+", files)) <= known


def example_lines() -> list[str]:
    return [line for line in compose.EXAMPLE.read_text().splitlines() if line and not line.startswith("# ")]


def test_the_example_has_every_required_and_optional_variable(services: dict[str, Any]) -> None:
    asked_for = {line.removesuffix("=") for line in example_lines() if line.endswith("=") and not line.startswith("#")}
    assert asked_for == {name for name, default in compose.variables_used().items() if default is None}
    named = {line.lstrip("#").partition("=")[0] for line in example_lines()}
    passed_on = {name for role in OURS for name, value in services[role].get("environment", {}).items() if not value}
    assert named == set(compose.variables_used()) | passed_on


def test_only_proxy_and_admin_are_published_and_on_loopback(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"proxy": ["127.0.0.1:8001:8001"], "admin": ["127.0.0.1:8000:8000"]}
    assert (Settings().proxy_port, Settings().admin_port) == (8001, 8000)


def test_engines_and_upstream_are_on_separate_internal_networks(services: dict[str, Any]) -> None:
    networks = compose.read()["networks"]
    internal = {name for name, options in networks.items() if options and options.get("internal")}
    for name in ("redis", "clickhouse", "upstream"):
        assert set(services[name]["networks"]) <= internal
    for engine in ("redis", "clickhouse"):
        assert not set(services[engine]["networks"]) & set(services["upstream"]["networks"])
    assert set(services["proxy"]["networks"]) >= {"engines", "upstream", "edge"}
    assert set(services["admin"]["networks"]) >= {"engines", "edge"}
    assert "upstream" not in services["admin"]["networks"]
    assert {network for service in services.values() for network in service["networks"]} == set(networks)


def test_urls_name_services_on_a_shared_network(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = settings_of(services, "proxy", compose.FILLED_IN, monkeypatch)
    admin = settings_of(services, "admin", compose.FILLED_IN, monkeypatch)
    for role, url, port in (
        ("proxy", proxy.redis_url, 6379),
        ("admin", admin.redis_url, 6379),
        ("admin", admin.clickhouse_url, 8123),
        ("proxy", proxy.upstream_url, 8002),
    ):
        parts = urlsplit(str(url))
        assert parts.port == port
        assert parts.hostname is not None
        assert set(services[parts.hostname]["networks"]) & set(services[role]["networks"])
    assert urlsplit(str(proxy.upstream_url)).path == MCP_PATH
    command = last(inherited(STAGES, "demo"), "CMD")
    assert command is not None
    assert "8002" in command.exec_form


def test_passwords_match_those_of_the_engines(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    admin = settings_of(services, "admin", compose.FILLED_IN, monkeypatch)
    clickhouse = urlsplit(str(admin.clickhouse_url))
    engine = services["clickhouse"]["environment"]
    assert (clickhouse.username, clickhouse.password) == (engine["CLICKHOUSE_USER"], engine["CLICKHOUSE_PASSWORD"])
    command = services["redis"]["command"]
    assert urlsplit(str(admin.redis_url)).password == command[command.index("--requirepass") + 1]


def test_metrics_are_available_on_their_network(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("proxy", "admin"):
        settings = settings_of(services, role, compose.FILLED_IN, monkeypatch)
        assert (settings.metrics_host, settings.metrics_port) == ("0.0.0.0", 8003)
        assert "metrics" in services[role]["networks"]


def test_redis_persists_everything_and_evicts_nothing(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    given = dict(zip(command[1::2], command[2::2], strict=True))
    assert given["--appendonly"] == "yes"
    assert given["--appendfsync"] == "everysec"
    assert given["--maxmemory-policy"] == "noeviction"


def test_persistent_data_is_in_named_volumes(services: dict[str, Any]) -> None:
    volumes = {name: service["volumes"] for name, service in services.items() if "volumes" in service}
    spool = image_environment(inherited(STAGES, "production"))["GATEWAY_DATA_DIR"]
    assert volumes == {
        "proxy": [f"proxy-data:{spool}"],
        "redis": ["redis-data:/data"],
        "clickhouse": ["clickhouse-data:/var/lib/clickhouse"],
    }
    assert set(compose.read()["volumes"]) == {"proxy-data", "redis-data", "clickhouse-data"}


def test_containers_have_minimal_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert "privileged" not in service
        if name != "clickhouse":
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert "cap_add" not in service
        if name in OURS:
            assert service["tmpfs"] == ["/tmp"]


def test_every_dependency_with_a_health_condition_has_a_health_check(services: dict[str, Any]) -> None:
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            if "healthcheck" not in services[needed]:
                assert health_check(inherited(STAGES, services[needed]["build"]["target"]))


def test_every_image_is_built_here_or_has_a_pinned_version(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if "build" in service:
            assert service["build"]["target"] in STAGES
            assert (compose.PATH.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
            assert name in OURS
        else:
            assert re.fullmatch(r"[a-z]+/[a-z-]+:\d+\.\d+(-[a-z]+)?", service["image"])


def test_the_grace_periods_are_longer_than_a_drain(services: dict[str, Any]) -> None:
    each = Settings().drain_timeout + 5
    assert compose.seconds(services["proxy"]["stop_grace_period"]) >= 4 * each
    assert compose.seconds(services["admin"]["stop_grace_period"]) >= each

"""The parts of a Helm release fit together, and each role gets the settings and secrets that it needs and no others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import Settings, load_settings
from gateway.settings.load import REQUIRED as REQUIRED_SETTINGS
from gateway.settings.load import Command
from gateway.settings.model import FILE_SETTINGS
from tests.deploy import chart
from tests.deploy.chart import EVERYTHING, REQUIRED
from tests.support.certificates import make_pair

ROLES: tuple[Command, ...] = ("proxy", "admin")
SECRETS = {
    "redis_url": "redis://:password@redis:6379/0",
    "clickhouse_url": "http://gateway:password@clickhouse:8123",
    "jwt_secret": "j" * 32,
    "jwt_previous_secrets": "p" * 32,
    "key_pepper": "k" * 32,
    "admin_password": "correct horse battery",
    "upstream_authorization": "Bearer token",
    "webhook_url": "https://hooks.example.com/token",
    "webhook_secret": "w" * 32,
}
FOLDER = "/etc/mcp-gateway/"


def settings_of(manifests: list[chart.Manifest], role: Command, files: Path, patch: pytest.MonkeyPatch) -> Settings:
    """Load the settings of a role as in its container, with its mounted files in another folder."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        patch.delenv(name)
    for volume in chart.pod(manifests, role)["spec"]["volumes"]:
        for item in volume.get("secret", {}).get("items", ()):
            (files / "secrets").mkdir(exist_ok=True)
            (files / "secrets" / item["path"]).write_text(SECRETS[item["path"]] + "\n")
    (files / "tls").mkdir(exist_ok=True)
    pair = make_pair(files, "mcp.example.com")
    pair.certificate.rename(files / "tls" / "tls.crt")
    pair.key.rename(files / "tls" / "tls.key")
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            (files / "rules").mkdir(exist_ok=True)
            (files / "rules" / "rules.toml").write_text(manifest["data"]["rules.toml"])
    for name, value in chart.environment(manifests, role).items():
        if name.startswith("GATEWAY_"):
            patch.setenv(name, value.replace(FOLDER, f"{files}/"))
    return load_settings(command=role)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_its_required_settings(role: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(chart.render(), role, tmp_path, monkeypatch)
    assert all(getattr(settings, name) is not None for name in REQUIRED_SETTINGS[role])
    assert (settings.host, settings.metrics_host, settings.workers) == ("0.0.0.0", "0.0.0.0", 2)


@pytest.mark.parametrize("role", ROLES)
def test_every_value_reaches_each_role(role: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(chart.render(EVERYTHING), role, tmp_path, monkeypatch)
    assert settings.allowed_hosts == ("mcp.example.com", "admin.example.com")
    assert settings.public_methods == ()
    assert settings.fast_path is False
    assert settings.usage_stream_max_entries == 5_000_000
    assert settings.usage_spool_max_bytes == 1_073_741_824
    assert settings.usage_ttl_days is None
    assert settings.key_pepper is not None
    assert settings.upstream_authorization is not None
    assert settings.tls_cert is not None
    assert settings.metering_rules == tmp_path / "rules" / "rules.toml"


def test_the_proxy_gets_no_secret_of_the_admin_process() -> None:
    manifests = chart.render(EVERYTHING)
    given = {role: {name for name in chart.environment(manifests, role) if name.endswith("_FILE")} for role in ROLES}
    assert given["admin"] == {f"GATEWAY_{name.upper()}_FILE" for name in SECRETS}
    assert given["proxy"] == {
        f"GATEWAY_{name.upper()}_FILE" for name in ("redis_url", "key_pepper", "upstream_authorization")
    }
    for role in ROLES:
        [volume] = [one for one in chart.pod(manifests, role)["spec"]["volumes"] if one["name"] == "secrets"]
        assert {f"GATEWAY_{item['path'].upper()}_FILE" for item in volume["secret"]["items"]} == given[role]


def test_no_manifest_is_a_secret_or_has_one() -> None:
    for values in (REQUIRED, EVERYTHING):
        manifests = chart.render(values)
        assert "Secret" not in {manifest["kind"] for manifest in manifests}
        for role in ROLES:
            secret = {f"GATEWAY_{name.upper()}" for name in FILE_SETTINGS} - {"GATEWAY_UPSTREAM_URL"}
            assert not secret & chart.environment(manifests, role).keys()


def test_every_setting_with_a_file_belongs_into_the_secret() -> None:
    values = yaml.safe_load((chart.FOLDER / "values.yaml").read_text())
    schema = json.loads((chart.FOLDER / "values.schema.json").read_text())
    [elsewhere, _] = schema["properties"]["settings"]["propertyNames"]["not"]["anyOf"]
    assert set(values["secrets"]["keys"]) == set(FILE_SETTINGS)
    assert set(FILE_SETTINGS) - set(elsewhere["enum"]) == {"upstream_url"}
    assert set(values["settings"]) | set(elsewhere["enum"]) <= set(Settings.model_fields)


def test_the_url_of_the_upstream_can_be_in_the_secret() -> None:
    values = chart.merged(REQUIRED, settings={}, secrets={"name": "a", "keys": {"upstream_url": "url"}})
    for role in ROLES:
        variables = chart.environment(chart.render(values), role)
        assert variables["GATEWAY_UPSTREAM_URL_FILE"] == FOLDER + "secrets/upstream_url"
        assert "GATEWAY_UPSTREAM_URL" not in variables


@pytest.mark.parametrize("values", [REQUIRED, EVERYTHING], ids=["required", "everything"])
def test_services_budgets_and_policies_select_the_pods_of_their_role(values: chart.Values) -> None:
    manifests = chart.render(values)
    pods = {role: chart.pod(manifests, role) for role in ROLES}
    for role in ROLES:
        selectors = [
            chart.find(manifests, "Service", f"-{role}")["spec"]["selector"],
            chart.find(manifests, "PodDisruptionBudget", f"-{role}")["spec"]["selector"]["matchLabels"],
            chart.workload(manifests, role)["spec"]["selector"]["matchLabels"],
        ]
        if values is EVERYTHING:
            policy = chart.find(manifests, "NetworkPolicy", f"-{role}")["spec"]
            selectors.append(policy["podSelector"]["matchLabels"])
        for selector in selectors:
            assert {name for name, pod in pods.items() if chart.selects(selector, pod)} == {role}
        [port] = chart.find(manifests, "Service", f"-{role}")["spec"]["ports"]
        assert port["targetPort"] == role
        assert port["name"] == ("https" if values is EVERYTHING else "http")
    metrics = chart.find(manifests, "Service", "-metrics")["spec"]
    assert metrics["clusterIP"] == "None"
    assert all(chart.selects(metrics["selector"], pod) for pod in pods.values())
    assert chart.workload(manifests, "proxy")["spec"]["serviceName"] == f"{chart.NAME}-metrics"


def test_ingresses_name_ports_of_services() -> None:
    manifests = chart.render(EVERYTHING)
    for role in ROLES:
        ingress = chart.find(manifests, "Ingress", f"-{role}")["spec"]
        [rule] = ingress["rules"]
        backend: Any = rule["http"]["paths"][0]["backend"]["service"]
        assert backend["name"] == f"{chart.NAME}-{role}"
        [port] = chart.find(manifests, "Service", f"-{role}")["spec"]["ports"]
        assert backend["port"]["name"] == port["name"]


def test_the_autoscaler_decides_the_number_of_proxies() -> None:
    manifests = chart.render(EVERYTHING)
    target = chart.find(manifests, "HorizontalPodAutoscaler", "-proxy")["spec"]["scaleTargetRef"]
    proxy = chart.workload(manifests, "proxy")
    assert target == {"apiVersion": proxy["apiVersion"], "kind": proxy["kind"], "name": proxy["metadata"]["name"]}
    assert "replicas" not in proxy["spec"]
    assert chart.workload(chart.render(), "proxy")["spec"]["replicas"] == 2


def test_prometheus_finds_the_service_of_the_metrics() -> None:
    manifests = chart.render(EVERYTHING)
    monitor = chart.find(manifests, "ServiceMonitor")
    labels = {kind["metadata"]["name"]: kind["metadata"]["labels"] for kind in manifests if kind["kind"] == "Service"}
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    assert [name for name, given in labels.items() if selector <= given.items()] == [f"{chart.NAME}-metrics"]
    [endpoint] = monitor["spec"]["endpoints"]
    [port] = chart.find(manifests, "Service", "-metrics")["spec"]["ports"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_policies_open_each_port_to_those_who_use_it() -> None:
    manifests = chart.render(EVERYTHING)
    proxy, admin = (chart.find(manifests, "NetworkPolicy", f"-{role}")["spec"] for role in ROLES)
    assert [rule["ports"][0]["port"] for rule in proxy["ingress"]] == ["proxy", "metrics"]
    assert "from" not in proxy["ingress"][0]
    assert admin["ingress"][0]["from"] == EVERYTHING["networkPolicy"]["adminFrom"]
    assert proxy["policyTypes"] == ["Ingress", "Egress"]


def test_without_the_admin_process_nothing_of_it_is_left() -> None:
    values = chart.merged(EVERYTHING, admin={"enabled": False, "ingress": {"enabled": True, "host": "a.example.com"}})
    manifests = chart.render(values)
    components = {one["metadata"]["labels"].get("app.kubernetes.io/component") for one in manifests}
    assert components == {"proxy", "metrics", "test", None}


def test_changed_rules_restart_the_pods() -> None:
    other = chart.merged(EVERYTHING, meteringRules=EVERYTHING["meteringRules"] + "# changed\n")
    checksums = [
        chart.pod(chart.render(values), "proxy")["metadata"]["annotations"]["checksum/rules"]
        for values in (EVERYTHING, other)
    ]
    assert checksums[0] != checksums[1]

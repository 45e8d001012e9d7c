"""The Helm chart, rendered: valid for Kubernetes, without secrets, and with minimal rights."""

from __future__ import annotations

import json
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

import gateway
from gateway.runtime.admin_command import MIGRATION_TIMEOUT
from gateway.settings import Settings
from tests.deploy import chart
from tests.deploy.chart import EVERYTHING, NAME, REQUIRED
from tests.deploy.dockerfile import environment, inherited, last, read_stages

ROLES = ("proxy", "admin")
WITHOUT_ADMIN = chart.merged(REQUIRED, admin={"enabled": False})
IMAGE = inherited(read_stages(), "production")
_CUSTOM = "ServiceMonitor"
"""Not a kind of Kubernetes itself, so without a schema."""


@pytest.fixture(params=["required", "everything"])
def manifests(request: pytest.FixtureRequest) -> list[chart.Manifest]:
    return chart.render(REQUIRED if request.param == "required" else EVERYTHING)


def test_the_chart_is_without_faults_for_helm() -> None:
    for values in (REQUIRED, EVERYTHING, WITHOUT_ADMIN):
        linted = chart.run("lint", "--strict", str(chart.FOLDER), values=values)
        assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_kubernetes_accepts_every_manifest_and_knows_every_field(version: str) -> None:
    for values in (REQUIRED, EVERYTHING, WITHOUT_ADMIN):
        manifests = chart.render(values, f"{version}.0")
        assert manifests
        for manifest in manifests:
            if manifest["kind"] != _CUSTOM:
                assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_an_older_kubernetes_is_refused() -> None:
    completed = chart.run("template", "team", str(chart.FOLDER), "--kube-version", "1.28.0")
    assert "incompatible with Kubernetes" in completed.stderr


def test_names_are_unique(manifests: list[chart.Manifest]) -> None:
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(names) == len(set(names))
    assert all(name.startswith(NAME) and len(name) <= 63 for _, name in names)


def test_the_chart_is_that_of_this_version_of_the_gateway() -> None:
    described = yaml.safe_load((chart.FOLDER / "Chart.yaml").read_text())
    assert described["appVersion"] == gateway.__version__
    assert (
        chart.container(chart.render(), "proxy")["image"] == f"registry.example.com/mcp-gateway:{gateway.__version__}"
    )
    assert chart.container(chart.render(EVERYTHING), "proxy")["image"].endswith("@sha256:" + "0" * 64)


@pytest.mark.parametrize("missing", ["image.repository", "settings.upstream_url", "secrets.name"])
def test_a_missing_value_is_named(missing: str) -> None:
    values = {name: value for name, value in REQUIRED.items() if name != missing.partition(".")[0]}
    assert f"set {missing} to" in chart.refusal(values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicas": 2},
        {"proxy": {"replica": 2}},
        {"settings": {"jwt_secret": "x" * 32}},
        {"settings": {"redis_url": "redis://:password@redis"}},
        {"settings": {"upstream_authorization_file": "/tmp/a"}},
        {"settings": {"proxy_port": 9000}},
        {"settings": {"GATEWAY_WORKERS": 2}},
        {"settings": {"workers": 0}},
        {"secrets": {"name": "a", "keys": {"redis_url": 6379}}},
        {"proxy": {"spool": {"size": "much"}}},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, Any]) -> None:
    assert "values don't meet the specifications of the schema" in chart.refusal({**REQUIRED, **wrong})


def test_every_value_of_the_schema_is_in_the_file_of_values() -> None:
    schema = json.loads((chart.FOLDER / "values.schema.json").read_text())
    values = yaml.safe_load((chart.FOLDER / "values.yaml").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}
    for name in ("proxy", "admin", "image", "secrets", "networkPolicy", "serviceMonitor"):
        assert set(values[name]) == set(schema["properties"][name]["properties"])


def test_containers_have_minimal_rights(manifests: list[chart.Manifest]) -> None:
    pods = [chart.pod(manifests, role)["spec"] for role in ROLES]
    for spec in (*pods, chart.find(manifests, "Pod", "-test")["spec"]):
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_the_user_is_that_of_the_image_and_volumes_belong_to_its_group(manifests: list[chart.Manifest]) -> None:
    user = last(IMAGE, "USER")
    assert user is not None
    context = chart.pod(manifests, "proxy")["spec"]["securityContext"]
    assert user.text == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["fsGroup"] == context["runAsGroup"]


def test_variables_that_kubernetes_makes_for_services_do_not_reach_the_gateway(manifests: list[chart.Manifest]) -> None:
    for role in ROLES:
        assert chart.pod(manifests, role)["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("role", ROLES)
def test_probes_ask_the_port_of_the_role(role: str) -> None:
    for values, scheme in ((REQUIRED, "HTTP"), (EVERYTHING, "HTTPS")):
        container = chart.container(chart.render(values), role)
        for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": role, "scheme": scheme}
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        settings = Settings()
        port = settings.proxy_port if role == "proxy" else settings.admin_port
        assert ports == {role: port, "metrics": settings.metrics_port}
        startup = container["startupProbe"]
        longest = MIGRATION_TIMEOUT if role == "admin" else 2 * settings.start_timeout
        assert startup["periodSeconds"] * startup["failureThreshold"] >= longest
        assert container["args"] == [role]


@pytest.mark.parametrize("drain", [25, 120])
def test_a_pod_has_time_for_its_drain(drain: int) -> None:
    values = chart.merged(REQUIRED, settings={**REQUIRED["settings"], "drain_timeout": drain})
    manifests = chart.render(values)
    for role in ROLES:
        [_, pre_stop] = chart.container(manifests, role)["lifecycle"]["preStop"]["exec"]["command"]
        grace = chart.pod(manifests, role)["spec"]["terminationGracePeriodSeconds"]
        assert grace > int(pre_stop) + drain + 5


def test_the_spool_is_on_a_volume_that_outlives_the_pod() -> None:
    manifests = chart.render()
    [claim] = chart.workload(manifests, "proxy")["spec"]["volumeClaimTemplates"]
    data_dir = environment(IMAGE)["GATEWAY_DATA_DIR"]
    for role in ROLES:
        mounts = {mount["name"]: mount["mountPath"] for mount in chart.container(manifests, role)["volumeMounts"]}
        assert mounts["data"] == data_dir
        assert mounts["tmp"] == "/tmp"
    assert claim["metadata"]["name"] == "data"
    size = re.fullmatch(r"(\d+)Gi", claim["spec"]["resources"]["requests"]["storage"])
    assert size is not None
    workers = int(chart.environment(manifests, "proxy")["GATEWAY_WORKERS"])
    assert int(size[1]) << 30 > workers * Settings().usage_spool_max_bytes


def test_every_mount_has_a_volume(manifests: list[chart.Manifest]) -> None:
    for role in ROLES:
        spec = chart.workload(manifests, role)["spec"]
        claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())}
        volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in chart.container(manifests, role)["volumeMounts"]} == volumes | claims
        assert not volumes & claims

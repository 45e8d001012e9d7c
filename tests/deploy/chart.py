"""Renders the Helm chart, and finds the parts of its manifests."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.deploy import helm_program
from tests.deploy.dockerfile import ROOT

FOLDER = ROOT / "deploy" / "helm" / "mcp-gateway"
NAME = "team-mcp-gateway"
"""Prefix of the names of a release `team`."""

Values = Mapping[str, Any]
Manifest = dict[str, Any]

_OPTIONAL_SECRETS = ("jwt_previous_secrets", "key_pepper", "webhook_url", "webhook_secret")

REQUIRED: Values = {
    "image": {"repository": "registry.example.com/mcp-gateway"},
    "settings": {"upstream_url": "http://mcp.tools:9000/mcp"},
    "secrets": {"name": "gateway-secrets"},
}
"""The values without which nothing is rendered."""
EVERYTHING: Values = {
    **REQUIRED,
    "image": {**REQUIRED["image"], "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {
        **REQUIRED["settings"],
        "admin_email": "root@example.com",
        "allowed_hosts": ["mcp.example.com", "admin.example.com"],
        "public_methods": "",
        "fast_path": False,
        "usage_stream_max_entries": 5_000_000,
        "usage_spool_max_bytes": 1_073_741_824,
        "usage_ttl_days": None,
        "audit_ttl_days": None,
    },
    "secrets": {
        "name": "gateway-secrets",
        "keys": {name: name.replace("_", "-") for name in _OPTIONAL_SECRETS}
        | {"upstream_authorization": "upstream-token"},
    },
    "meteringRules": '[[metering.rule]]\ntool = "query"\nrecords = "length(structuredContent.rows)"\n',
    "tls": {"secretName": "gateway-tls"},
    "proxy": {
        "autoscaling": {"enabled": True},
        "spool": {"persistent": False},
        "service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.com/a": "b"}},
        "ingress": {"enabled": True, "className": "nginx", "host": "mcp.example.com", "tlsSecretName": "mcp-tls"},
        "podDisruptionBudget": {"maxUnavailable": "25%"},
        "podAnnotations": {"example.com/a": "b"},
        "podLabels": {"team": "data"},
        "nodeSelector": {"pool": "edge"},
        "tolerations": [{"key": "edge", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
    },
    "admin": {"ingress": {"enabled": True, "host": "admin.example.com", "annotations": {"example.com/a": "b"}}},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {
        "enabled": True,
        "adminFrom": [{"namespaceSelector": {"matchLabels": {"team": "platform"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    },
    "serviceAccount": {"annotations": {"example.com/a": "b"}},
    "extraEnv": [{"name": "SSL_CERT_DIR", "value": "/etc/ca"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
}
"""Every option is used."""


def merged(values: Values, **changes: Any) -> dict[str, Any]:
    """Return values with some of their members replaced."""
    return {**values, **changes}


def run(*arguments: str, values: Values = REQUIRED) -> subprocess.CompletedProcess[str]:
    """Run `helm` with values; skips the test if it is missing."""
    helm = helm_program.find()
    if helm is None:
        pytest.skip("helm is missing")
    command = [helm, *arguments, "--values", "-"]
    return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False, timeout=60)


def render(values: Values = REQUIRED, kubernetes: str = "1.37.0") -> list[Manifest]:
    """Return the manifests."""
    return json.loads(_rendered(json.dumps(values), kubernetes))  # type: ignore[no-any-return]


@functools.cache
def _rendered(values: str, kubernetes: str) -> str:
    arguments = ("template", "team", str(FOLDER), "--kube-version", kubernetes)
    completed = run(*arguments, values=json.loads(values))
    assert completed.returncode == 0, completed.stderr
    return json.dumps([manifest for manifest in yaml.safe_load_all(completed.stdout) if manifest])


def refusal(values: Values) -> str:
    """Return the message with which values are refused."""
    completed = run("template", "team", str(FOLDER), values=values)
    assert completed.returncode != 0
    return completed.stderr


def find(manifests: list[Manifest], kind: str, suffix: str = "") -> Manifest:
    """Return the manifest of a kind and a name."""
    [found] = [one for one in manifests if one["kind"] == kind and one["metadata"]["name"] == NAME + suffix]
    return found


def workload(manifests: list[Manifest], role: str) -> Manifest:
    """Return the workload of a role."""
    return find(manifests, "StatefulSet" if role == "proxy" else "Deployment", f"-{role}")


def pod(manifests: list[Manifest], role: str) -> Manifest:
    """Return the pod template of a role."""
    template: Manifest = workload(manifests, role)["spec"]["template"]
    return template


def container(manifests: list[Manifest], role: str) -> Manifest:
    """Return the only container of a role."""
    [only] = pod(manifests, role)["spec"]["containers"]
    return dict(only)


def environment(manifests: list[Manifest], role: str) -> dict[str, str]:
    """Return the environment of a role."""
    return {one["name"]: one["value"] for one in container(manifests, role)["env"]}


def selects(selector: Mapping[str, str], template: Manifest) -> bool:
    """Return True if the labels of a pod have all those of a selector."""
    return set(selector.items()) <= set(template["metadata"]["labels"].items())

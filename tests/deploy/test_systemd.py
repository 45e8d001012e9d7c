"""The systemd units, parsed but not run."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli.app import app
from gateway.settings import Settings
from tests.deploy.dockerfile import ROOT

UNITS = {
    "proxy": ROOT / "deploy/systemd/mcp-gateway-proxy.service",
    "admin": ROOT / "deploy/systemd/mcp-gateway-admin.service",
    "up": ROOT / "deploy/systemd/mcp-gateway.service",
}
LONGEST_STOP = {"proxy": 4, "admin": 1, "up": 6}
"""The default drain time-out, times this, fits into the stop time-out, so that operators may raise it."""
HARDENED = {
    "CapabilityBoundingSet": "",
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
    "RestrictNamespaces": "yes",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
}


def read_service(path: Path) -> dict[str, list[str]]:
    """Parse the `[Service]` section: each name with all of its values."""
    section = re.search(r"^\[Service\]\n(.*?)(?=^\[)", path.read_text(), re.MULTILINE | re.DOTALL)
    assert section is not None
    found: dict[str, list[str]] = {}
    for line in section[1].splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_every_unit_is_known() -> None:
    assert set((ROOT / "deploy/systemd").iterdir()) == set(UNITS.values())


@pytest.mark.parametrize("role", sorted(UNITS))
def test_a_unit_runs_an_existing_command_with_its_credential_file(role: str) -> None:
    service = read_service(UNITS[role])
    words = shlex.split(service["ExecStart"][0])
    commands: Any = get_command(app)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(words[0]).name in scripts
    assert words[1] == role
    assert words[2] in {name for option in commands.commands[role].params for name in option.opts}
    credential, _, path = service["LoadCredential"][0].partition(":")
    assert words[3] == f"${{CREDENTIALS_DIRECTORY}}/{credential}"
    assert Path(path).name == credential


@pytest.mark.parametrize("role", sorted(UNITS))
def test_a_unit_sets_only_settings_that_are_no_secrets(role: str) -> None:
    service = read_service(UNITS[role])
    values = dict(value.split("=", 1) for value in service["Environment"])
    assert set(values) <= {"GATEWAY_" + name.upper() for name in Settings.model_fields}
    assert values["GATEWAY_DATA_DIR"] == f"/var/lib/{service['StateDirectory'][0]}"
    assert not [name for name in values if re.search("PASSWORD|SECRET|PEPPER|AUTHORIZATION|URL", name)]


@pytest.mark.parametrize("role", sorted(UNITS))
def test_the_stop_time_out_is_longer_than_a_drain(role: str) -> None:
    service = read_service(UNITS[role])
    assert service["KillMode"] == ["mixed"]
    assert int(service["TimeoutStopSec"][0]) >= LONGEST_STOP[role] * (Settings().drain_timeout + 5)
    assert service["Restart"] == ["on-failure"]


@pytest.mark.parametrize("role", sorted(UNITS))
def test_a_unit_has_minimal_rights(role: str) -> None:
    service = read_service(UNITS[role])
    assert {name: service[name][-1] for name in HARDENED} == HARDENED
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged"]
    # Only `up` may create executable memory, because chDB compiles expressions.
    assert ("MemoryDenyWriteExecute" in service) == (role != "up")


def test_two_units_on_one_machine_do_not_share_a_port() -> None:
    admin = dict(value.split("=", 1) for value in read_service(UNITS["admin"])["Environment"])
    assert int(admin["GATEWAY_METRICS_PORT"]) not in {
        Settings().metrics_port,
        Settings().proxy_port,
        Settings().admin_port,
    }

"""Everything that a page names exists: paths, modules, constants, settings, commands, endpoints, stored names."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from typing import Any

from typer.main import get_command

from admin_api.app import ENDPOINTS
from gateway.cli.app import app
from gateway.metering.rules.parsing import parse_rules
from gateway.redis import names as redis_names
from gateway.settings import Settings
from gateway.settings.model import FILE_SETTINGS
from tests.docs.pages import PAGES, ROOT, mentions, mentions_in_code, resolve

FOLDERS = ("gateway", "admin_api", "mcp_backend", "bench", "deploy", "docs", "tests")
CREATED_BY_THE_READER = {"deploy/.env"}


def test_every_path_exists() -> None:
    paths = list(mentions_in_code(rf"(?<![\w/.-])((?:{'|'.join(FOLDERS)})/[\w./*-]*)"))
    assert len(paths) > 50
    missing = {one.text.rstrip("./") for one in paths if not list(ROOT.glob(one.text.rstrip("./")))}
    assert missing <= CREATED_BY_THE_READER


def test_every_module_and_attribute_exists() -> None:
    names = mentions_in_code(r"(?<![\w/.])((?:gateway|admin_api|mcp_backend)(?:\.\w+)+)(?![\w/-])")
    code = [one for one in names if one.text.rpartition(".")[2] not in ("toml", "service")]
    assert len(code) > 30
    assert [one for one in code if resolve(one.text) is None] == []


def test_every_module_that_is_run_exists() -> None:
    for one in mentions_in_code(r"python -m ([\w.]+)"):
        if one.text != "venv":
            assert importlib.util.find_spec(one.text) is not None, one


SERVICE_LINKS = {"GATEWAY_PORT", "GATEWAY_SERVICE_HOST"}
"""Variables that Kubernetes sets, and that are no settings."""


def test_every_setting_exists() -> None:
    known = {"GATEWAY_" + name.upper() for name in Settings.model_fields}
    known |= {f"GATEWAY_{name.upper()}_FILE" for name in FILE_SETTINGS} | SERVICE_LINKS
    assert [one for one in mentions(r"(GATEWAY_[A-Z][A-Z_]*[A-Z])") if one.text not in known] == []


def test_every_setting_in_a_toml_example_exists() -> None:
    for page in PAGES:
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            settings = tomllib.loads(block)
            parse_rules(settings.pop("metering", {}))
            assert set(settings) <= set(Settings.model_fields)


def test_every_command_exists_with_its_options() -> None:
    top: Any = get_command(app)
    lines = list(mentions_in_code(r"(?<![\w/-])mcp-gateway ((?:[a-z][a-z-]*|--[a-z-]+)(?: [^`\n#;|)]*)?)"))
    assert lines
    for one in lines:
        command, words = top, one.text.split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not top or words[0].startswith("--") or words == ["[OPTIONS]"], one
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= {*options, "--help"}, one


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert [one for one in mentions_in_code(r"^make ([a-z-]+)") if one.text not in targets] == []


def test_every_name_in_redis_and_clickhouse_exists() -> None:
    names = {value for value in vars(redis_names).values() if isinstance(value, str)}
    assert [one for one in mentions(r"`(\{mcpgw\}:[\w-]+)") if one.text not in names] == []
    migrations = "".join(path.read_text() for path in (ROOT / "gateway/usage/store/migrations").glob("*.sql"))
    for one in mentions(r"`(mcp_tool_usage\w*)`"):
        assert f"EXISTS {one.text}\n" in migrations, one


def test_every_endpoint_exists() -> None:
    known = {endpoint.path for endpoint in ENDPOINTS} | {"/api/openapi.json"}
    assert [one for one in mentions(r"`(?:GET |POST )?(/api/[\w./-]+)") if one.text not in known] == []


def test_every_act_of_the_audit_log_is_described() -> None:
    described = (ROOT / "docs/how-to/audit.md").read_text()
    code = [
        path.read_text()
        for folder in ("gateway/keys", "gateway/accounts", "gateway/cli", "admin_api/endpoints")
        for path in (ROOT / folder).rglob("*.py")
    ]
    acts = set(re.findall(r'"((?:alert|audit|auth|dead_letter|key|usage|user)\.[a-z_]+)"', "".join(code)))
    assert len(acts) > 20
    assert {act for act in acts if f"`{act}`" not in described} == set()

"""The Dockerfile, parsed but not built: its targets, files and commands, and the health checks."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli.app import app
from gateway.settings import Settings
from mcp_backend.__main__ import argument_parser
from tests.deploy.dockerfile import FINAL, ROOT, environment, health_check, inherited, last, read_stages
from tests.support.gateway import Gateway
from tests.support.ports import free_port

STAGES = read_stages()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEALTH_CHECK = ROOT / "deploy" / "healthcheck.py"


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_there_is_a_target_for_each_use_and_production_is_the_default() -> None:
    assert set(FINAL) <= set(STAGES)
    assert next(reversed(STAGES)) == "production"


@pytest.mark.parametrize("target", FINAL)
def test_every_image_runs_as_an_unprivileged_user(target: str) -> None:
    user = last(inherited(STAGES, target), "USER")
    assert user is not None
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.text)


@pytest.mark.parametrize("target", FINAL)
def test_every_command_is_in_exec_form_so_that_signals_reach_it(target: str) -> None:
    instructions = inherited(STAGES, target)
    for word in ("ENTRYPOINT", "CMD"):
        instruction = last(instructions, word)
        assert instruction is not None
        assert instruction.exec_form
    assert health_check(instructions)
    signal = last(instructions, "STOPSIGNAL")
    assert signal is not None
    assert signal.text == "SIGTERM"


def test_the_commands_of_the_images_exist() -> None:
    commands: Any = get_command(app)
    for target, command in (("production", "proxy"), ("embedded", "up")):
        instructions = inherited(STAGES, target)
        entry, arguments = last(instructions, "ENTRYPOINT"), last(instructions, "CMD")
        assert entry is not None
        assert arguments is not None
        assert set(entry.exec_form) <= set(PROJECT["scripts"])
        assert arguments.exec_form == [command]
        assert command in commands.commands


def test_the_demo_listens_on_all_addresses_without_sessions() -> None:
    instructions = inherited(STAGES, "demo")
    entry, arguments = last(instructions, "ENTRYPOINT"), last(instructions, "CMD")
    assert entry is not None
    assert arguments is not None
    assert entry.exec_form == ["python", "-m", "mcp_backend"]
    chosen = argument_parser().parse_args(arguments.exec_form)
    assert (chosen.host, chosen.port, chosen.stateless) == ("0.0.0.0", 8002, True)


def test_the_images_set_only_settings_that_are_no_secrets() -> None:
    for target in FINAL:
        names = environment(inherited(STAGES, target))
        unknown = {name for name in names if name.startswith("GATEWAY_")} - {
            "GATEWAY_" + name.upper() for name in Settings.model_fields
        }
        assert not unknown
        assert not [name for name in names if re.search("PASSWORD|SECRET|TOKEN|PEPPER|AUTHORIZATION", name)]


def test_the_gateway_images_listen_on_all_addresses_and_have_a_data_volume() -> None:
    for target in ("production", "embedded"):
        instructions = inherited(STAGES, target)
        names, volume = environment(instructions), last(instructions, "VOLUME")
        assert names["GATEWAY_HOST"] == "0.0.0.0"
        assert volume is not None
        assert volume.text == names["GATEWAY_DATA_DIR"]
    assert environment(inherited(STAGES, "embedded"))["GATEWAY_ALLOWED_HOSTS"] == "localhost"


def test_referenced_stages_exist_and_no_registry_is_named() -> None:
    for stage in STAGES.values():
        assert stage.base in STAGES or re.fullmatch(r"python:\$\{PYTHON_VERSION\}-slim", stage.base)
        for instruction in stage.own:
            if source := instruction.flags.get("from"):
                assert source in STAGES


def test_copied_files_exist_and_are_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*", "everything stays out but what is named"
    let_in = {line.removeprefix("!") for line in patterns if line.startswith("!")}
    copied: set[str] = set()
    for stage in STAGES.values():
        for instruction in stage.own:
            if instruction.word == "COPY" and "from" not in instruction.flags:
                copied |= set(instruction.text.split()[:-1])
    assert copied == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_build_installs_the_declared_dependencies(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (step,) = [one.text for one in STAGES["requirements"].own if one.word == "RUN"]
    assert step.startswith("python -c ")
    subprocess.run(
        ["sh", "-c", sys.executable + step.removeprefix("python")], cwd=tmp_path, check=True, capture_output=True
    )
    declared = {"production": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    for name in files_named_in_the_build():
        assert (tmp_path / name).read_text().splitlines() == declared[name.removesuffix(".txt")]


def files_named_in_the_build() -> set[str]:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    named = set(re.findall(r"-r (\w+\.txt)", text))
    assert named == {"production.txt", "embedded.txt", "demo.txt"}
    return named


def test_production_has_neither_chdb_nor_valkey_nor_the_demo() -> None:
    runs = " ".join(one.text for one in inherited(STAGES, "production-packages") if one.word == "RUN")
    assert "-r production.txt" in runs
    assert "embedded.txt" not in runs
    assert "demo.txt" not in runs
    copies = [one.flags.get("from") for one in STAGES["production"].own if one.word == "COPY"]
    assert copies == ["production-packages"]


def test_the_project_supports_the_python_of_the_images() -> None:
    version = re.search(r"^ARG PYTHON_VERSION=(\d+)\.(\d+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert version is not None
    assert PROJECT["requires-python"] == ">=3.11"
    assert (int(version[1]), int(version[2])) >= (3, 11)


async def run_check(target: str, **variables: object) -> int:
    """Run the health check of an image with an environment; return its exit code."""
    command = health_check(inherited(STAGES, target))
    assert command[:2] == ["python", "/opt/healthcheck.py"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HEALTH_CHECK),
        *command[2:],
        env={"PATH": os.environ["PATH"], **{f"GATEWAY_{name}": str(value) for name, value in variables.items()}},
    )
    async with asyncio.timeout(20):
        return await process.wait()


async def test_production_is_healthy_if_its_role_responds(gateway: Gateway) -> None:
    nothing = free_port()
    assert await run_check("production", HOST="0.0.0.0", PROXY_PORT=gateway.port, ADMIN_PORT=nothing) == 0
    assert await run_check("production", HOST="0.0.0.0", PROXY_PORT=nothing, ADMIN_PORT=gateway.port) == 0
    assert await run_check("production", PROXY_PORT=nothing, ADMIN_PORT=nothing) == 1


async def test_embedded_is_healthy_if_both_ports_respond(gateway: Gateway) -> None:
    assert await run_check("embedded", HOST="::", PROXY_PORT=gateway.port, ADMIN_PORT=gateway.port) == 0
    assert await run_check("embedded", HOST="0.0.0.0", PROXY_PORT=gateway.port, ADMIN_PORT=free_port()) == 1


async def test_the_health_check_ignores_a_configured_http_proxy(gateway: Gateway) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HEALTH_CHECK),
        "any",
        env={"http_proxy": "http://127.0.0.1:9", "GATEWAY_PROXY_PORT": str(gateway.port)},
    )
    assert await process.wait() == 0


async def test_a_server_that_never_responds_is_not_healthy(listening: int) -> None:
    assert await run_check("production", PROXY_PORT=listening, ADMIN_PORT=free_port()) == 1


def test_a_health_check_with_wrong_arguments_prints_its_usage() -> None:
    done = subprocess.run([sys.executable, str(HEALTH_CHECK)], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (2, "usage: healthcheck.py any|all\n")


def test_the_demo_is_healthy_if_it_accepts_connections(listening: int) -> None:
    command = health_check(inherited(STAGES, "demo"))
    assert command[:2] == ["python", "-c"]
    for port, code in ((listening, 0), (free_port(), 1)):
        program = command[2].replace("8002", str(port))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20)
        assert done.returncode == code

"""The documentation cannot rot in silence: whatever it names by name exists, and its numbers are those of the code."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import prometheus_client
import pytest
from prometheus_client.metrics import MetricWrapperBase
from typer.main import get_command

from admin_api.app import ENDPOINTS
from gateway.cli.app import app
from gateway.metering.metered import Metered
from gateway.metering.rules.rules import read_rules
from gateway.observability import metrics
from gateway.redis import names as redis_names
from gateway.settings import Settings
from gateway.settings.markdown import configuration_page
from tests.deploy.dockerfile import ROOT

DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*DOCS, ROOT / "CHANGELOG.md"]
TOP = ("gateway", "admin_api", "mcp_backend", "deploy", "docs", "tests")
UNITS = {"KiB": 1024, "MiB": 1024**2, "s": 1, "ms": 1, "days": 86_400, "": 1}


class Named(NamedTuple):
    """Something that a page names."""

    page: str
    text: str


def named(pattern: str, pages: list[Path] = PAGES) -> Iterator[Named]:
    for page in pages:
        for match in re.finditer(pattern, page.read_text(), re.MULTILINE):
            yield Named(page.name, match[1])


def code(pattern: str) -> Iterator[Named]:
    """What stands in code spans and code blocks of the pages."""
    for page in PAGES:
        text = page.read_text()
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for part in (*blocks, *spans):
            for match in re.finditer(pattern, part):
                yield Named(page.name, match[1])


def slug(heading: str) -> str:
    """The anchor of a heading, as it is made where Markdown is shown."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def test_every_page_is_reached_from_another() -> None:
    everything = "".join(page.read_text() for page in [*PAGES, ROOT / "README.md"])
    reached = {Path(target.partition("#")[0]).name for target in re.findall(r"\]\(([^)\s]+)\)", everything)}
    assert {page.name for page in DOCS if page.name != "README.md"} <= reached


def test_every_path_exists() -> None:
    paths = list(code(rf"(?<![\w/.-])((?:{'|'.join(TOP)})/[\w./*-]*)"))
    assert len(paths) > 50
    made_by_hand = {"deploy/.env"}
    missing = {one.text.rstrip("./") for one in paths if not (ROOT / one.text.rstrip("./")).exists()}
    assert missing == made_by_hand


def test_every_name_of_the_code_exists() -> None:
    for one in code(r"(?<![\w/.])((?:gateway|admin_api|mcp_backend)(?:\.\w+)+)(?![\w/-])"):
        if one.text.rpartition(".")[2] in ("toml", "service"):
            continue
        resolve(one.text)


def test_every_module_that_is_run_exists() -> None:
    for one in code(r"python -m ([\w.]+)"):
        if one.text != "venv":
            assert importlib.util.find_spec(one.text) is not None, one


def resolve(name: str) -> Any:
    """The module, or what stands in one, of a dotted name. Raises `AssertionError`."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            assert hasattr(found, part), name
            found = getattr(found, part)
        return found
    raise AssertionError(name)


def test_every_setting_exists() -> None:
    known = {"GATEWAY_" + name.upper() for name in Settings.model_fields}
    assert [one for one in named(r"(GATEWAY_[A-Z][A-Z_]*[A-Z])") if one.text not in known] == []


def test_every_setting_in_a_file_exists() -> None:
    for page in PAGES:
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            settings = tomllib.loads(block)
            read_rules(settings.pop("metering", {}))
            assert set(settings) <= set(Settings.model_fields)


def test_every_command_exists_with_its_options() -> None:
    top: Any = get_command(app)
    lines = list(code(r"(?<![\w/-])mcp-gateway ((?:[a-z][a-z-]*|--[a-z-]+)(?: [^`\n#;|]*)?)"))
    assert lines
    for one in lines:
        command, words = top, one.text.split()
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not top or words[0].startswith("--"), one
        assert not hasattr(command, "commands") or not words or words[0].startswith("--"), one
        options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, one


def test_every_metric_exists_and_every_metric_is_described() -> None:
    assert metrics.OTHER
    exposed: set[str] = set()
    for metric in prometheus_client.REGISTRY.collect():
        if metric.name.startswith("mcp_gateway_"):
            exposed.add(metric.name + "_total" if metric.type == "counter" else metric.name)
    assert {one.text for one in named(r"`(mcp_gateway_\w+)")} - {"mcp_gateway"} == exposed
    described = re.findall(r"^\| `(mcp_gateway_\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert sorted(described) == sorted(exposed)


def test_the_labels_of_the_metrics_are_those_of_the_code() -> None:
    counted = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    labels = {metric._name: set(metric._labelnames) for metric in counted}
    text = (ROOT / "docs/operations.md").read_text()
    for name, shown in re.findall(r"^\| `mcp_gateway_(\w+?)(?:_total)?` \| ([^|]*)\|", text, re.MULTILINE):
        assert set(re.findall(r"`(\w+)`", shown)) == labels[f"mcp_gateway_{name}"]


def test_reasons_and_phases_that_are_named_are_those_of_the_code() -> None:
    proxy = "".join(path.read_text() for path in (ROOT / "gateway/proxy").rglob("*.py"))
    text = (ROOT / "docs/operations.md").read_text()
    paragraph = re.search(r"^The reasons of (.*?)^$", text, re.MULTILINE | re.DOTALL)
    assert paragraph is not None
    for reason in re.findall(r"`([a-z_]+)`", paragraph[1]):
        if reason.startswith("mcp_gateway"):
            continue
        phase = reason.removeprefix("upstream_")
        assert f'"{phase or "upstream_"}' in proxy or reason == "upstream_", reason
    for phase in re.findall(r"`(\w+)`", re.search(r"failures of the upstream: (.*?) \|", text)[1]):  # type: ignore[index]
        assert f'phase = "{phase}"' in proxy


def test_every_name_in_redis_and_clickhouse_exists() -> None:
    names = {value for value in vars(redis_names).values() if isinstance(value, str)}
    assert [one for one in named(r"`(\{mcpgw\}:[\w-]+)") if one.text not in names] == []
    migrations = "".join(path.read_text() for path in (ROOT / "gateway/usage/store/migrations").glob("*.sql"))
    for one in named(r"`(mcp_tool_usage\w*)`"):
        assert f"EXISTS {one.text}\n" in migrations, one


def test_every_endpoint_exists() -> None:
    known = {endpoint.path for endpoint in ENDPOINTS} | {"/api/openapi.json"}
    assert [one for one in named(r"`(/api/[\w./-]+)") if one.text not in known] == []


def test_every_bound_in_a_table_is_that_of_the_code() -> None:
    rows = [
        row
        for page in DOCS
        for row in re.findall(r"^\| [^|]+ \| ([\d.,]+) ?(\w*) \| `([\w.]+)` \|$", page.read_text(), re.MULTILINE)
    ]
    assert len(rows) > 20
    for number, unit, name in rows:
        assert float(number.replace(",", "")) * UNITS[unit] == resolve(name), name


def test_the_methods_of_counting_are_those_of_the_code() -> None:
    text = (ROOT / "docs/metering.md").read_text()
    table = re.search(r"^## Methods\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert table is not None
    shown = {
        word for row in re.findall(r"^\| (`.*?) \|", table[1], re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    methods = re.search(r"The methods: (.*)", str(Metered.__doc__), re.DOTALL)
    assert methods is not None
    told = set(re.findall(r"`([a-z_]+)`", methods[1]))
    assert shown - {"count_method"} == told


def test_the_configuration_page_is_what_the_settings_say() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == configuration_page()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.split(r"[<>=;\[ ]", line)[0] for line in [*project["dependencies"], *extras["embedded"], *extras["demo"]]
    }
    told = {one.text for one in named(r"^\| `([\w-]+)` \|", [ROOT / "docs/dependencies.md"])}
    assert told == declared


def test_every_decision_is_listed_and_says_why() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(
        r"^\| \[(\d{3})\]\(([\w-]+\.md)\) \| (.*) \|$", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert [name for _, name, _ in listed] == sorted(path.name for path in folder.glob("0*.md"))
    for number, name, title in listed:
        text = (folder / name).read_text()
        assert text.startswith(f"# {number} {title}\n")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
        assert len(text.splitlines()) <= 20


def imports_of(package: str) -> set[str]:
    """The modules of ours that a package imports, at any place, its own not among them."""
    found: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    own = package.replace("/", ".")
    return {name for name in found if name.split(".")[0] in TOP and not (name + ".").startswith(own + ".")}


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("gateway/protocol", ("gateway.", "admin_api", "mcp_backend")),
        ("gateway/metering", ("gateway.", "admin_api", "mcp_backend")),
        ("gateway/keys", ("gateway.usage", "gateway.proxy", "gateway.cli", "admin_api", "mcp_backend")),
        ("gateway/usage", ("gateway.keys", "gateway.proxy", "gateway.cli", "admin_api", "mcp_backend")),
        ("gateway/proxy", ("gateway.cli", "gateway.settings", "admin_api", "mcp_backend")),
        ("admin_api", ("gateway.proxy", "gateway.cli", "mcp_backend")),
        ("mcp_backend", ("gateway", "admin_api")),
    ],
)
def test_imports_go_one_way(package: str, never: tuple[str, ...]) -> None:
    assert {name for name in imports_of(package) if name.startswith(never)} == set()

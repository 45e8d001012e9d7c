"""The reference pages agree with the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import prometheus_client
import pytest
from prometheus_client.metrics import MetricWrapperBase

from admin_api.http.problem import ProblemDetails
from gateway.metering import MeteringResult
from gateway.observability import alert_metrics, metrics
from gateway.usage.event import UsageEvent
from tests.docs.pages import DOCS, ROOT, mentions, resolve
from tests.docs.reference import pages

METRICS = ROOT / "docs/reference/metrics.md"
ERRORS = ROOT / "docs/reference/errors.md"
SOLVE_ERRORS = ROOT / "docs/how-to/errors.md"
UNITS = {"KiB": 1024, "MiB": 1024**2, "s": 1, "ms": 1, "days": 86_400, "": 1}


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_generated_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == pages()[path], "run make docs"


def test_every_metric_is_described_and_every_described_metric_exists() -> None:
    assert metrics.OTHER
    exposed: set[str] = set()
    for metric in prometheus_client.REGISTRY.collect():
        if metric.name.startswith("mcp_gateway_"):
            exposed.add(metric.name + "_total" if metric.type == "counter" else metric.name)
    assert {one.text for one in mentions(r"`(mcp_gateway_\w+)")} == exposed
    described = re.findall(r"^\| `(mcp_gateway_\w+)` \|", METRICS.read_text(), re.MULTILINE)
    assert sorted(described) == sorted(exposed)


def test_the_labels_of_the_metrics_are_those_of_the_code() -> None:
    defined = {**vars(metrics), **vars(alert_metrics)}.values()
    counted = [one for one in defined if isinstance(one, MetricWrapperBase)]
    labels = {metric._name: set(metric._labelnames) for metric in counted}
    for name, shown in re.findall(
        r"^\| `mcp_gateway_(\w+?)(?:_total)?` \| ([^|]*)\|", METRICS.read_text(), re.MULTILINE
    ):
        assert set(re.findall(r"`(\w+)`", shown)) == labels[f"mcp_gateway_{name}"]


def reasons_in_the_code() -> set[str]:
    """Return the reasons of rejections: keyword arguments `reason=` and the last arguments of the helpers for them."""
    found: set[str] = set()
    for path in (ROOT / "gateway/proxy").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values = [one.value for one in node.keywords if one.arg == "reason"]
            if name in ("bad_key", "forbidden", "_exceeded") and node.args:
                values.append(node.args[-1])
            found |= {one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def test_every_reason_of_a_rejection_is_on_the_errors_page() -> None:
    described = set(re.findall(r"^\| \d{3} \| `(\w+)` \|", ERRORS.read_text(), re.MULTILINE))
    reasons = reasons_in_the_code()
    assert len(reasons) > 25
    assert reasons - described == set()
    # These come from a key's status or an upstream's phase, not from a literal.
    computed = {"revoked", "expired", "suspended"}
    computed |= {"upstream_refused", "upstream_connect", "upstream_first_byte", "upstream_idle", "upstream_answer"}
    assert described - reasons == computed


def messages_not_in_the_code(messages: list[str]) -> list[str]:
    """Return the messages of which a part is in no string of the code; `…` stands for any text."""
    files = (path for top in ("gateway", "admin_api") for path in (ROOT / top).rglob("*.py"))
    source = re.sub(r'"\s*\n?\s*f?"', "", "".join(path.read_text() for path in files))
    return [message for message in messages if any(part not in source for part in message.split("…"))]


def test_every_message_on_the_errors_page_is_in_the_code() -> None:
    shown = re.findall(r"^\| \d{3} \| `\w+` \| `([^`]+)` \|", ERRORS.read_text(), re.MULTILINE)
    assert len(shown) > 25
    details = re.findall(r"^\| `([^`]+)`", ERRORS.read_text(), re.MULTILINE)
    assert len(details) > 30
    assert messages_not_in_the_code([*shown, *details]) == []


def test_every_message_on_the_page_for_solving_errors_is_in_the_code() -> None:
    shown = re.findall(r"^\| `([^`{]+)`", SOLVE_ERRORS.read_text(), re.MULTILINE)
    assert len(shown) > 20
    assert messages_not_in_the_code(shown) == []


def test_the_example_of_an_admin_api_error_has_the_members_of_the_code() -> None:
    [example] = re.findall(r'^\{"type":"about:blank".*$', ERRORS.read_text(), re.MULTILINE)
    shown = msgspec.json.decode(example)
    assert msgspec.to_builtins(msgspec.convert(shown, ProblemDetails)) == shown


def test_the_phases_of_upstream_errors_are_those_of_the_code() -> None:
    described = set(re.findall(r"`upstream_(\w+)`", ERRORS.read_text()))
    source = (ROOT / "gateway/proxy/upstream/errors.py").read_text()
    assert described == set(re.findall(r'phase = "(\w+)"', source))


def test_every_bound_in_a_table_is_that_of_the_code() -> None:
    rows = [
        row
        for page in DOCS
        for row in re.findall(r"^\| [^|]+ \| ([\d.,]+) ?(\w*) \| `([\w.]+)` \|$", page.read_text(), re.MULTILINE)
    ]
    assert len(rows) > 20
    wrong = [
        (name, resolve(name))
        for number, unit, name in rows
        if float(number.replace(",", "")) * UNITS[unit] != resolve(name)
    ]
    assert wrong == []


def test_the_count_methods_are_those_of_the_code() -> None:
    page = next(page for page in DOCS if re.search(r"^## Methods$", page.read_text(), re.MULTILINE))
    table = re.search(r"^## Methods\n(.*?)^## ", page.read_text(), re.MULTILINE | re.DOTALL)
    assert table is not None
    shown = {
        word for row in re.findall(r"^\| (`.*?) \|", table[1], re.MULTILINE) for word in re.findall(r"`(\w+)`", row)
    }
    methods = re.search(r"The methods: (.*)", str(MeteringResult.__doc__), re.DOTALL)
    assert methods is not None
    assert shown - {"count_method"} == set(re.findall(r"`([a-z_]+)`", methods[1]))


def test_every_field_of_a_usage_event_is_described() -> None:
    page = (ROOT / "docs/reference/usage-fields.md").read_text()
    described = {
        name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert described - {"table_name"} == {field.name for field in msgspec.structs.fields(UsageEvent)}

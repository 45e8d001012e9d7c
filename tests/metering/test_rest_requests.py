"""Requests to HTTP interfaces of databases name their tables in the path."""

from __future__ import annotations

import pytest

from gateway.metering import tables_in_arguments
from gateway.metering.arguments import parse_arguments


@pytest.mark.parametrize(
    ("tool", "method", "path", "read", "written"),
    [
        ("postgrestRequest", "GET", "/Orders", ("orders",), ()),
        ("request", "GET", "/orders?select=id,items(name)&limit=3", ("items", "orders"), ()),
        ("request", "get", "/rest/v1/orders?id=eq.5", ("orders",), ()),
        ("request", "GET", "/orders?select=guest,nights.sum(),count()", ("orders",), ()),
        ("odata_request", "GET", "Orders('x')?$filter=a eq 1", ("orders",), ()),
        ("request", "GET", "/Products(1)/Category", ("category", "products"), ()),
        ("request", "GET", "/Products/$count", ("products",), ()),
        ("request", "GET", "https://example.com/odata/v4/Products?$top=5", ("products",), ()),
        ("odata", "GET", "/api/data/v9.2/accounts?$expand=owner($select=id,name;$expand=team),tasks", (
            "accounts", "owner", "tasks", "team"), ()),
        ("odata_request", "POST", "/$batch", (), ()),
        ("request", "GET", "/logs-1,audit/_search", ("audit", "logs-1"), ()),
        ("request", "POST", "orders/_search", ("orders",), ()),
        ("request", "POST", "/orders/_doc", (), ("orders",)),
        ("request", "GET", "/_cat/indices", (), ()),
        ("postgrest", "POST", "/orders", (), ("orders",)),
        ("postgrest", "PATCH", "/orders?id=eq.5", (), ("orders",)),
    ],
)  # fmt: skip
def test_tables_of_a_request(
    tool: str, method: str, path: str, read: tuple[str, ...], written: tuple[str, ...]
) -> None:
    arguments = {"method": method, "path": path}
    parsed = parse_arguments(tool, arguments)
    assert (parsed.tables_read, parsed.tables_written) == (read, written)
    assert tables_in_arguments(tool, arguments) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('GET /orders/_search\n{"query": {}}', ("orders",)),
        ("# the first\npost orders,items/_count", ("items", "orders")),
        ("GET the orders/_search", ()),
        ("see GET /orders/_search", ()),
    ],
)
def test_tables_of_a_console_text(text: str, read: tuple[str, ...]) -> None:
    assert parse_arguments("run", {"request": text}).tables_read == read


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("http_request", {"method": "GET", "path": "/orders"}),
        ("http_request", {"method": "GET", "path": "/api/orders?select=id"}),
        ("postgrest", {"path": "/orders"}),
        ("read_file", {"path": "orders"}),
        ("postgrest", {"method": "GET", "path": "/rpc/report"}),
    ],
)
def test_other_requests_name_no_table(tool: str, arguments: dict[str, str]) -> None:
    assert parse_arguments(tool, arguments).tables_named == ()


@pytest.mark.parametrize(
    ("method", "path", "returns_rows"),
    [
        ("put", "/issues/1.json", False),
        ("DELETE", "/v1/items/1", False),
        ("post", "/issues.json", False),
        ("post", "/v1/issues/search", None),
        ("get", "/issues.json", None),
        ("post", "", None),
    ],
)
def test_a_request_that_writes_returns_no_rows(method: str, path: str, returns_rows: bool | None) -> None:
    assert parse_arguments("api_request", {"method": method, "path": path}).returns_rows is returns_rows


def test_the_path_of_a_request_is_no_file() -> None:
    assert parse_arguments("api_request", {"path": "/issues.json"}).files == ()
    assert parse_arguments("read_file", {"path": "/issues.json"}).files == ("issues.json",)

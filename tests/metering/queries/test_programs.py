# ruff: noqa: E501 - the cases are read better in one line each
"""The tables that programs in Flux, AQL and MongoDB's shell name; they are never exhaustive."""

from __future__ import annotations

import pytest

from gateway.metering.queries import programs


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        ('from(bucket: "b") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "Cpu")', ("cpu",), ()),
        ('from(bucket: "b") |> filter(fn: (r) => r["_measurement"] == "cpu" or r._measurement == "mem")', ("cpu", "mem"), ()),
        ('from(bucket: "b") |> range(start: -1h)', ("b",), ()),
        ('from(bucket: "b") |> filter(fn: (r) => r._measurement == "cpu") |> to(bucket: "dest")', ("cpu",), ("dest",)),
        ('import "influxdata/influxdb/schema"\nschema.measurementFieldKeys(bucket: "b", measurement: "cpu")', ("cpu",), ()),
        ('import "influxdata/influxdb/schema"\nschema.measurements(bucket: "b")', (), ()),
        ("buckets()", (), ()),
    ],
)  # fmt: skip
def test_tables_of_flux(text: str, read: tuple[str, ...], written: tuple[str, ...]) -> None:
    found = programs.read_flux(text)
    assert found is not None
    assert (found.read, found.written, found.is_exhaustive) == (read, written, False)


@pytest.mark.parametrize("text", ["", "x = 1", 'from(bucket: "b'])
def test_flux_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert programs.read_flux(text) is None


@pytest.mark.parametrize(
    ("text", "read", "written", "returns_rows"),
    [
        ("FOR u IN users FILTER u.age > 3 RETURN u", ("users",), (), True),
        ("FOR u IN users FOR o IN orders FILTER o.user == u._key RETURN {u, o}", ("orders", "users"), (), True),
        ("FOR u IN users FOR x IN u.items RETURN x", ("users",), (), True),
        ("FOR i IN 1..5 RETURN i", (), (), True),
        ("LET a = (FOR u IN users RETURN u) FOR x IN a RETURN x", ("users",), (), True),
        ("FOR v, e, p IN 1..2 OUTBOUND 'users/1' knows, likes RETURN v", ("knows", "likes"), (), True),
        ("FOR u IN users COLLECT city = u.city WITH COUNT INTO n RETURN {city, n}", ("users",), (), True),
        ("RETURN LENGTH(users)", ("users",), (), True),
        ("RETURN DOCUMENT('users/1')", ("users",), (), True),
        ("INSERT {a: 1} INTO users", (), ("users",), False),
        ("FOR u IN users UPDATE u WITH {a: 1} IN users RETURN NEW", ("users",), ("users",), True),
        ("FOR u IN users REMOVE u IN archive", ("users",), ("archive",), False),
    ],
)
def test_collections_of_aql(text: str, read: tuple[str, ...], written: tuple[str, ...], returns_rows: bool) -> None:
    found = programs.read_aql(text)
    assert found is not None
    assert (found.read, found.written, found.returns_rows, found.is_exhaustive) == (read, written, returns_rows, False)


@pytest.mark.parametrize(
    ("text", "read", "written", "returns_rows"),
    [
        ("db.orders.find({a: 1}).limit(5)", ("orders",), (), True),
        ('db.getCollection("my orders").countDocuments({})', ("my orders",), (), True),
        ('db.orders.aggregate([{$lookup: {from: "users", as: "u"}}])', ("orders", "users"), (), True),
        ("db.orders.insertOne({a: 1})", (), ("orders",), False),
        ("db.orders.findOneAndDelete({a: 1})", (), ("orders",), False),
    ],
)
def test_collections_of_the_shell(
    text: str, read: tuple[str, ...], written: tuple[str, ...], returns_rows: bool
) -> None:
    found = programs.read_shell(text)
    assert found is not None
    assert (found.read, found.written, found.returns_rows, found.is_exhaustive) == (read, written, returns_rows, False)


def test_other_texts_are_no_programs() -> None:
    assert programs.read_aql("hello") is None
    assert programs.read_shell("db.stats") is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("EVALUATE Sales", ("sales",)),
        ("EVALUATE 'Sales Orders' ORDER BY 'Sales Orders'[Date]", ("sales orders",)),
        ('EVALUATE SUMMARIZECOLUMNS(Product[Color], "x", SUM(Sales[Amount])) // Other[a]', ("product", "sales")),
        ("EVALUATE ROW(\"n\", COUNTROWS('Sales'))", ("sales",)),
    ],
)
def test_tables_of_dax(text: str, read: tuple[str, ...]) -> None:
    found = programs.read_dax(text)
    assert found is not None
    assert (found.read, found.is_exhaustive) == (read, False)


@pytest.mark.parametrize(
    ("text", "returns_rows"),
    [
        ("{ boats { id } }", True),
        ("query Q { boats { id } }", True),
        ('mutation { addBoat(name: "a") { id } }', False),
        ("# adds one\nmutation Add($n: String!) { addBoat(name: $n) { id } }", False),
        ("mutation { addBoat { query { boats { id } } } }", None),
        ("mutation A { addBoat { id } } query Q { boats { id } }", None),
        ("mutation { insert_boats(objects: []) { returning { id } } }", None),
        ('{ boats(name: "} mutation") { id } }', True),
    ],
)
def test_a_document_of_mutations_alone_returns_no_rows(text: str, returns_rows: bool | None) -> None:
    found = programs.read_graphql(text)
    assert found is not None
    assert (found.named, found.returns_rows, found.is_exhaustive) == ((), returns_rows, False)

"""Lists of objects that surround lists of records: results of several requests, pages, and groups."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.metering.json.groups import MAX_GROUPS
from tests.metering.support import records, structured

BOATS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
PAGE = {"hits": BOATS, "nbHits": 57, "page": 0, "nbPages": 29, "took": 2}


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ([PAGE], 2),
        ([PAGE, PAGE], 4),
        ([{**PAGE, "hits": [], "nbHits": 0}], 0),
        ([{**PAGE, "exhaustive": True, "query": "oak"}], 2),
        ([{"rows": BOATS, "row_count": 2, "scanned": 900}], 2),
    ],
)
def test_the_records_in_pages_that_state_a_number_of_them_are_counted(pages: list[Any], expected: int) -> None:
    assert records(structured({"results": pages}), "search_ports") == expected


@pytest.mark.parametrize(
    "value",
    [
        {"id": 7, "hits": BOATS, "nbHits": 2},
        {"name": "oak.example", "owner": "Ida", "class": "IN", "records": [{"type": "A"}, {"type": "MX"}]},
        {"name": "oak", "columns": BOATS},
        {"metric": "wind", "points": [[1795500000, 4], [1795500001, 5]]},
        {"skipper": "Ida", "count": 3, "documents": BOATS},
    ],
)
def test_an_object_that_describes_more_than_its_list_is_a_record(value: dict[str, Any]) -> None:
    assert records(structured({"items": [value, value]}), "search_ports") == 2


@pytest.mark.parametrize(
    "value",
    [
        {"name": "oak.example", "records": [{"type": "A"}, {"type": "MX"}], "record_count": 2},
        {"invoice": 7, "documents": BOATS},
        {"skipper": "Ida", "messages": BOATS, "total": 2},
        {"search": "no 7", "passed": True, "data": BOATS},
        {"sheet": "A", "data": [["1", "2"], ["3", "4"]]},
    ],
)
def test_objects_with_little_beside_a_list_are_unknown_because_they_may_be_groups(value: dict[str, Any]) -> None:
    assert records(structured({"items": [value]}), "search_ports") is None
    assert records(structured({"items": [value, value]}), "search_ports") is None
    assert records(structured({"items": [value], "count": 1}), "search_ports") == 1


REQUESTS = [{"url": "http://a.example/x", "part": "boats"}, {"url": "http://a.example/y", "part": "ports"}]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([{**one, "method": "GET", "ok": True, "content": ["a", "b"]} for one in REQUESTS], 4),
        ([{**one, "data": BOATS} for one in REQUESTS], 4),
        ([{"facetHits": BOATS, "exhaustive": True}], 2),
        ([{**REQUESTS[0], "data": []}, {**REQUESTS[1], "data": BOATS}], 2),
    ],
)
def test_the_records_in_the_results_of_several_requests_are_counted(values: list[Any], expected: int) -> None:
    assert records(structured({"result": values}), "batch_fetch", requests=REQUESTS) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"key": "B-1", "state": "in", "items": ["oak", "teak"]},
        {"part": "boats", "values": [0.25, 0.5]},
        {"part": "boats", "items": ["a"], "note": "a text about it"},
        {"part": "boats", "items": ["a"], "owner": {"name": "Ida"}},
        {"part": "B-9", "items": ["a", "b"]},
    ],
)
def test_an_entity_that_a_request_names_is_a_record(value: dict[str, Any]) -> None:
    assert records(structured({"result": [value, {**value, "n": 1}]}), "get_boats_by_key", requests=REQUESTS) == 2


def test_values_of_the_same_argument_do_not_tell_results_of_requests() -> None:
    orders = [{"part": "boats", "number": 1, "items": BOATS}, {"part": "boats", "number": 2, "items": BOATS}]
    assert records(structured({"result": orders}), "find_orders", requests=REQUESTS) == 2


@pytest.mark.parametrize(
    ("tool", "groups", "expected"),
    [
        ("list_boats", [{"port": "Brno", "boats": BOATS}, {"port": "Graz", "boats": BOATS[:1]}], 3),
        ("list_boats", [{"port": "Brno", "boats": ["a", "b"]}], 2),
        ("list_boats", [{"boats": BOATS}], 2),
        ("boats-list", [{"name": "Brno", "is_open": True, "has_more_boats": False, "boats": BOATS}], 2),
        ("list_house_boats", [{"house_boats": BOATS}, {"house_boats": []}], 2),
        ("search_boats_by_port", [{"port": "Brno", "boats": []}, {"port": "Graz", "boats": BOATS}], 2),
    ],
)
def test_groups_of_what_the_tool_lists_are_no_records(tool: str, groups: list[Any], expected: int) -> None:
    assert records(structured({"items": groups}), tool) == expected


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("list_ports", {"port": "Brno", "boats": BOATS}),
        ("list_ports_with_boats", {"port": "Brno", "boats": BOATS}),
        ("list_ports_and_boats", {"port": "Brno", "boats": BOATS}),
        ("list_boats", {"id": 1, "port": "Brno", "boats": BOATS}),
        ("list_boats", {"name": "a", "length": 4, "mast": 1, "color": "red", "boats": []}),
        ("list_groups", {"name": "a", "groups": [{"name": "b", "groups": []}]}),
    ],
)
def test_objects_with_other_lists_are_records(tool: str, value: dict[str, Any]) -> None:
    assert records(structured({"items": [value, value]}), tool) == 2


def test_lists_of_whole_numbers_may_be_vectors() -> None:
    values = [{**one, "values": [1, 2, 3]} for one in REQUESTS]
    assert records(structured({"result": values}), "embed", requests=REQUESTS) is None


@pytest.mark.parametrize(
    "groups",
    [
        [{"name": "a", "groups": []}],
        [{"name": "a", "groups": [{"name": "b"}]}],
        [{"name": "a", "path": "/a", "groups": ["b"]}],
    ],
)
def test_groups_that_may_be_the_upper_level_of_a_tree_are_unknown(groups: list[Any]) -> None:
    assert records(structured({"items": groups}), "list_groups") is None


def test_groups_beyond_the_bound_are_unknown() -> None:
    groups = [{"port": "Brno", "boats": BOATS}] * MAX_GROUPS
    assert records(structured({"items": groups}), "list_boats") == 2 * MAX_GROUPS
    assert records(structured({"items": [*groups, *groups[:1]]}), "list_boats") is None


def test_a_row_with_a_list_is_a_record_of_a_statement() -> None:
    sql = "SELECT port, json_agg(boat) AS boats FROM fleet GROUP BY port"
    assert records(structured({"rows": [{"port": "Brno", "boats": BOATS}]}), "list_boats", sql=sql) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "value", "expected"),
    [
        ("get_terms", {"index": "boats"}, {"oak": 7, "teak": 4, "error": 1}, 3),
        ("get_terms", {"index": "boats"}, {"woods": {"oak": 7, "teak": 4}, "ports": {"Brno": 9}}, 3),
        ("get_terms", {"index": "boats"}, {"woods": {"oak": 7}, "ports": {}}, 1),
        ("facets", {"index": "boats"}, {"oak": 7, "teak": 4}, 2),
        ("get_facets", {}, {"facets": {"woods": {"oak": 7, "teak": 4}, "ports": {"Brno": 9}}}, 3),
        ("count_boats_by_port", {}, {"Brno": 7, "Graz": 4}, 2),
    ],
)
def test_numbers_by_term_are_one_record_for_each_term(
    tool: str, arguments: dict[str, Any], value: dict[str, Any], expected: int
) -> None:
    assert records(structured(value), tool, **arguments) == expected


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("get_terms", {"net_days": 30, "discount": 2}),
        ("get_boat_sizes", {"length": 12, "beam": 4}),
        ("count_boats_by_port", {"total": 11, "limit": 50}),
        ("count_boats_by_port", {"port_id": 5, "boats": 7}),
        ("count_boats_by_port", {"total": 11, "Brno": 7, "Graz": 4}),
    ],
)
def test_other_numbers_are_not_counted_as_groups(tool: str, value: dict[str, Any]) -> None:
    assert records(structured(value), tool) not in (2, 3)


def test_a_list_in_an_object_of_the_same_name_is_counted_beside_its_page() -> None:
    page = {"boats": {"boats": BOATS}, "pagination": {"current_page": 1, "next_page": 2}}
    assert records(structured(page), "get_boats") == 2
    assert records(structured({**page, "ports": {"ports": BOATS[:1]}}), "get_boats") is None


def test_names_whose_number_is_stated_are_counted_for_a_listing_tool() -> None:
    schemas = {"catalog": "lake", "schemas": ["a", "b", "c"], "count": 3, "note": "give a schema to list its tables"}
    assert records(structured(schemas), "list_tables", catalog="lake") == 3
    assert records(structured({**schemas, "count": 9}), "list_tables", catalog="lake") is None

"""Several lists in one object: empty ones beside full ones, columns, groups, descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.metering import meter
from gateway.metering.tool_declarations import parse_hints
from tests.metering.support import records, structured, texts, wire

BOATS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


@pytest.mark.parametrize(
    "value",
    [
        {"boats": [], "total_found": 43, "offset": 0},
        {"boats": [], "vessels": BOATS},
        {"boats": [], "boat_ids": ["b1", "b2"]},
    ],
)
def test_an_empty_list_is_in_doubt_if_there_are_records(value: dict[str, Any]) -> None:
    assert records(structured(value), "search_boats", query="x") is None


@pytest.mark.parametrize(
    "value",
    [
        {"boats": [], "total": 43, "offset": 60},
        {"boats": [], "retrieved_count": 0, "failed_ids": ["b9"]},
        {"boats": [], "searched_ports": ["x", "y"]},
        {"boats": [], "filters": [{"name": "color"}]},
        {"boats": [], "isLast": True},
    ],
)
def test_an_empty_list_counts_beside_what_only_describes_the_call(value: dict[str, Any]) -> None:
    assert records(structured(value), "search_boats", query="x") == 0


def test_an_empty_list_of_the_schema_gives_way_to_a_full_one() -> None:
    schema = {"type": "object", "properties": {"summaries": {"type": "array", "items": {"type": "object"}}}}
    hints = parse_hints(wire({"output": schema}))
    page = {"found": 43, "codes": ["1", "2"], "summaries": [], "link": "u"}
    assert meter("search_boats", {"q": "x"}, wire(structured(page)), None, hints).records is None


def test_all_lists_that_the_tool_names_are_added_up() -> None:
    assert records(structured({"boats": BOATS, "ports": BOATS[:1]}), "list_boats_and_ports") == 3


def test_lists_of_the_selected_columns_have_one_value_for_each_row() -> None:
    sql = "SELECT id, name FROM boats"
    assert records(structured({"id": [1, 2, 3], "name": ["a", "b", "c"]}), "query", sql=sql) == 3
    assert records(structured({"id": [], "name": []}), "query", sql=sql) == 0
    assert records(structured({"id": 1, "name": ["a", "b"]}), "query", sql=sql) == 1


def test_groups_are_counted_if_the_number_of_what_is_in_them_is_stated() -> None:
    groups = [{"id": "p1", "boats": BOATS}, {"id": "p2", "boats": BOATS[:1]}]
    assert records(structured({"ports": groups, "total_boats": 3}), "list_boats") == 3
    assert records(structured({"ports": groups, "total_ports": 2}), "list_ports") == 2


def test_the_schema_of_a_table_has_as_many_records_as_columns() -> None:
    typed = {"id": {"type": "long"}, "name": {"type": "text"}}
    assert records(structured({"boats": {"mappings": {"properties": typed}}}), "get_index", index="boats") == 2
    assert records(structured({"schema": typed, "sampled": 9}), "collection_schema", collection="boats") == 2


def test_an_object_under_the_name_of_a_table_is_not_the_entry_of_a_map() -> None:
    assert (
        records(structured({"boats": {"aliases": {}, "settings": {"shards": 1}}}), "get_index", index="boats") is None
    )


def test_a_write_that_states_its_rows_has_no_records() -> None:
    assert records(structured({"successful_rows": 1, "quarantined_rows": 0}), "save_event", table="boats") == 0
    assert records(structured({"path": "o.csv", "rows_exported": 100}), "export_table", table="boats") is None


def test_the_plan_of_a_query_has_no_records() -> None:
    assert records(structured({"plan": [{"node": "scan"}]}), "explain_query", sql="SELECT id FROM boats") is None


def test_the_only_list_is_counted_even_if_its_name_usually_describes_records() -> None:
    assert records(structured({"cursor": "0", "keys": ["a", "b"]}), "redis_scan", pattern="*") == 2


def test_a_page_without_data_has_no_records() -> None:
    page = {"success": True, "data": None, "additional": {"pagination": {"start": 0}}}
    assert records(structured(page), "boats") == 0
    assert records(structured({"data": None, "skipper": {"id": 3, "berth": 4}}), "boats") is None


def test_a_total_that_the_server_does_not_fill_in_is_ignored() -> None:
    assert records(structured({"data": BOATS, "total": 0, "limit": 0, "offset": 0}), "find_boats") == 2
    assert records(structured({"data": BOATS, "total": 0}), "find_boats") is None


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("list_boats", {"boats": {"ada": {"state": "in"}, "ida": {"berth": 4}}}),
        ("get_tags", {"tags": {"oak": 3, "teak": 1}}),
        ("harbour_boats", {"status": "ok", "message-type": "list", "message": {"facets": {}, "items": BOATS}}),
        ("list_boats", {"help": "u", "success": True, "result": ["a", "b"]}),
    ],
)
def test_a_listing_tool_may_return_a_map_or_a_list_beside_unknown_values(tool: str, value: dict[str, Any]) -> None:
    assert records(structured(value), tool) == 2


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("get_boat", {"boat": {"total": 3, "page": 1}}),
        ("list_boats", {"boats": {"total": 3, "page": 1}}),
        ("get_limits", {"limits": {"cpu": 3, "plan": "pro"}}),
        ("get_hull", {"hull": "H1", "owner": {"id": 1}, "planks": BOATS, "ribs": BOATS[:1]}),
    ],
)
def test_an_object_that_may_be_no_map_is_unknown(tool: str, value: dict[str, Any]) -> None:
    assert records(structured(value), tool) is None


def test_the_empty_list_of_a_listing_tool_counts_beside_values() -> None:
    assert records(structured({"type": "Fleet", "vessels": [], "title": "Boats"}), "get_boats", port="X") == 0
    assert records(structured({"type": "Boat", "vessels": [], "title": "Ada"}), "open_hull") is None


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (1, {"aggregations": {"longest": {"value": 30.3}}}),
        (2, {"longest": {"value": 30.3}, "mean": {"value": None}}),
        (3, {"hits": [], "facets": {"wood": {"oak": 12, "teak": 8, "fir": 1}}, "nbHits": 21}),
        (None, {"longest": {"value": 30.3, "unit": "m"}, "mean": {"value": 3}}),
    ],
)
def test_the_groups_and_values_of_aggregations_are_counted(expected: int | None, value: dict[str, Any]) -> None:
    assert records(structured(value), "search", index="boats", size=0) == expected


def test_an_aggregated_value_below_a_heading_is_counted() -> None:
    heading, value = "Total results: 40, showing 0 from position 0", 'Aggregations: {"longest": {"value": 30.3}}'
    assert records(texts(heading, value), "search", index="boats", size=0) == 1


def test_lists_beside_further_values_are_not_added_up() -> None:
    assert records(structured({"boats": BOATS, "ports": BOATS}), "query") == 4
    assert records(structured({"status": "OK", "stops": BOATS, "legs": BOATS[:1]}), "directions") is None


def test_names_of_fields_among_the_arguments_are_no_keys_of_a_map() -> None:
    boat = {"id": 1, "name": "Ada"}
    assert records(structured(boat), "get_boat", table="boats", id="1", fields=["id", "name"]) == 1
    assert records(structured({"ada": 3, "ida": 4}), "get_multi", keys=["ada", "ida"]) == 2
    assert records(structured({"result": ["{'id': 1, 'name': 'a'}"]}), "boats", output_fields=["id", "name"]) == 1


def test_a_number_of_errors_is_no_error() -> None:
    assert records(structured({"results": [{"hour": "10:00", "errors": "12"}]}), "query_logs", query="x") == 1
    assert records(structured({"results": [{"error": "no such hour"}]}), "query_logs", query="x") == 0


def test_a_list_that_describes_columns_is_no_result_of_a_query() -> None:
    value = {"found": [], "selected_columns": [{"name": "id", "kind": 3}], "more": {"a": 1}}
    assert records(structured(value), "run", sql="SELECT id FROM boats") is None


def test_a_result_by_the_name_that_the_call_gives_is_no_entry_of_a_map() -> None:
    frame = {"schema": {"fields": [{"name": "a"}]}, "data": {"values": [[1, 2, 3]]}}
    assert records(structured({"results": {"A": {"status": 200, "frames": [frame]}}}), "explore", refId="A") == 3
    two = {"results": {"A": {"frames": [frame]}, "B": {"frames": [frame, frame]}}}
    assert records(structured(two), "explore", queries=[{"refId": "A"}, {"refId": "B"}]) == 9


def test_a_number_of_other_things_is_no_witness() -> None:
    value = {"file_count": 2, "central_boats": BOATS}
    assert records(structured(value), "get_fleet_overview", fleet="x") is None


def test_a_list_of_values_is_counted_if_its_length_is_stated_and_is_never_one_record() -> None:
    log = {"entries": ["a", "b", "c"], "unit": None, "path": "/srv/a.log", "lines_count": 3}
    assert records(structured(log), "read_log", log_path="/srv/a.log") == 3
    assert records(structured({**log, "lines_count": 9}), "read_log", log_path="/srv/a.log") is None


def test_lists_by_name_in_the_only_member_with_lists_add_up() -> None:
    board = {"columns": {"moored": BOATS, "sailing": BOATS[:1], "docked": []}, "stats": {"total": 99, "open": 3}}
    assert records(structured(board), "get_boat_board") == 3
    assert records(structured(board), "describe_boats") is None
    assert records(structured({**board, "owner": "Idun", "port": "Bergen"}), "get_boat_board") is None


def test_a_list_with_the_name_of_a_property_counts_if_it_is_all_and_its_length_is_stated() -> None:
    links = [{"url": "https://a.example", "clicks": 4}, {"url": "https://b.example", "clicks": 2}]
    assert records(structured({"total_items": 2, "links": links}), "get_click_details") == 2
    assert records(structured({"total_items": 2, "links": [{"rel": "self", "href": "a"}] * 2}), "get_clicks") is None
    assert records(structured({"total_items": 2, "links": links, "boat": {"name": "a"}}), "get_click_details") is None


def test_a_list_beside_several_maps_of_numbers_is_in_doubt() -> None:
    overview = {"ports": {"Bergen": 7, "Oslo": 2}, "kinds": {"sloop": 5, "yawl": 4}, "largest_orders": BOATS}
    assert records(structured(overview), "fleet_map") is None
    assert records(structured(overview), "list_orders") == 2
    assert records(structured({"by_port": {"Bergen": 7}, "largest_orders": BOATS}), "fleet_map") == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"oddities": BOATS, "origin": "x", "mood": "calm"}, None),
        ({"oddities": BOATS}, 2),
        ({"oddities": BOATS, "origin": "x", "total_oddities": 2}, 2),
        ({"measurements": BOATS, "origin": "x", "mood": "calm"}, 2),
        ({"open_issues": BOATS, "origin": "x", "mood": "calm"}, 2),
    ],
)
def test_a_list_under_a_name_of_the_server_counts_if_another_sign_supports_it(
    value: dict[str, Any], expected: int | None
) -> None:
    assert records(structured(value), "fleet") == expected


def test_the_members_of_an_object_count_if_their_names_are_data() -> None:
    boat = {"name": "a", "port": "Brno"}
    assert records(structured({"2024-01-02": boat, "2024-01-03": boat, "2024-01-04": boat}), "fleet") == 3
    assert records(structured({"ida": boat, "ada": boat, "uma": boat}), "fleet") is None
    assert records(structured({"ida": boat, "ada": boat}), "fleet", names=["ida", "ada"]) == 2


@pytest.mark.parametrize(
    "beside",
    [
        {"best_boat": {"id": "b1", "name": "Aurora", "crew": ["x", "y"]}},
        {"boats_by_name": {"aurora": {"length": 7}, "bora": {"length": 9}}},
        {"result": {"id": "b1", "name": "Aurora", "crew": ["x", "y"]}, "status": "OK"},
        {"answer": "The harbour has two boats, the Aurora and the much older Bora"},
        {"raw": "id,name,length\n1,Aurora,7\n2,Bora,9\n3,Cirrus,8"},
        {"note": "Aurora, Bora, Cirrus, Dorado, Esperanza, Fortuna, Gaviota"},
        {"message": '[{"id": 1, "name": "Aurora"}, {"id": 2, "name": "Bora"}]'},
        {"formatted": ["1,Aurora", "2,Bora"]},
        {"pagination": {"page": 1, "boats": BOATS}},
        {"stats": {"1": "Aurora", "2": "Bora"}},
        {"trace": {"a": {"b": {"c": {"d": [[1, 2], [3, 4]]}}}}},
        {"debug": {"steps": BOATS}},
    ],
)
@pytest.mark.parametrize("name", ["rows", "items", "boats"])
def test_an_empty_list_is_in_doubt_beside_other_data(name: str, beside: dict[str, Any]) -> None:
    assert records(structured({name: [], **beside}), "search_boats", query="x") is None
    assert records(structured({"data": {name: []}, **beside}), "search_boats", query="x") is None


@pytest.mark.parametrize(
    "beside",
    [
        {"time_range": {"from": "2026-01-01", "to": "x"}, "total": 0},
        {"request_params": {"per_page": 20, "q": "x"}},
        {"usage": {"units": 6, "tokens": 8}},
        {"message": "No boats match this name. Check the spelling, or search all ports of the country"},
        {"summary": "All harbours of the country were searched.\nReturned 0 boats."},
        {"warnings": [{"code": "slow", "text": "The search took long"}]},
        {"columns": [{"name": "id", "type": "int"}]},
        {"meta": {"took": 3, "server": "a"}},
    ],
)
@pytest.mark.parametrize("name", ["rows", "items", "boats"])
def test_an_empty_list_counts_beside_a_page_or_a_message(name: str, beside: dict[str, Any]) -> None:
    assert records(structured({name: [], **beside}), "search_boats", query="x") == 0


@pytest.mark.parametrize("name", ["columns", "warnings", "links", "metadata", "_"])
def test_an_empty_list_is_in_doubt_beside_rows_of_the_selected_columns(name: str) -> None:
    page = {"rows": [], "row_count": 0, name: BOATS}
    assert records(structured(page), "query", sql="SELECT id, name FROM boats") is None


def test_a_pending_answer_with_a_table_is_in_doubt() -> None:
    message = "| id | name |\n|---|---|\n| 1 | Aurora |\n| 2 | Bora |"
    assert records(structured({"status": "pending", "job_id": "j", "message": message}), "search_boats") is None
    assert records(structured({"status": "pending", "job_id": "j", "message": "Wait."}), "search_boats") == 0


@pytest.mark.parametrize("name", ["searchResults", "found_items", "datarows", "elements"])
def test_a_list_whose_name_ends_in_a_noun_for_records_needs_no_other_sign(name: str) -> None:
    assert records(structured({"address": "https://a.example", name: [{"a": 1}, {"a": 2}]}), "find_boats") == 2


def test_the_only_member_of_a_listing_tool_is_its_list_whatever_its_name() -> None:
    assert records(structured({"keys": ["a", "b"]}), "list_secrets") == 2


def test_lists_of_one_length_beside_the_state_of_the_call_are_columns() -> None:
    candles = {"t": [1, 2], "o": [1.5, 2.5], "c": [2.5, 2], "s": "ok"}
    assert records(structured(candles), "get_candles", symbol="OAK") == 2
    assert records(structured({**candles, "s": "Brno"}), "get_candles", symbol="OAK") is None


def test_the_names_in_a_list_of_names_are_keys_of_a_map() -> None:
    prices = {"oak": {"eur": 1.5}, "teak": {"eur": 2.5}}
    assert records(structured(prices), "get_price", woods="oak, teak") == 2
    assert records(structured(prices), "get_price") is None


def test_the_only_member_of_an_object_is_its_list_unless_it_holds_errors() -> None:
    assert records(structured({"links": [{"url": "a"}, {"url": "b"}]}), "site_map") == 2
    assert records(structured({"errors": [{"url": "a"}, {"url": "b"}]}), "site_map") == 0
    assert records(structured({"warnings": [{"url": "a"}, {"url": "b"}]}), "site_map") is None


def test_three_objects_with_the_same_members_are_what_a_tool_lists() -> None:
    shelf = {"kind": "boats", "size": 4, "places": ["a", "b"]}
    assert records(structured({"Oak boats": shelf, "Teak boats": shelf, "Ash boats": shelf}), "list_shelf_names") == 3
    assert records(structured({"Oak boats": shelf, "Teak boats": shelf}), "list_shelf_names") is None
    rows = {"cols": ["a"], "rows": [["x"], ["y"]]}
    assert records(structured({"Oak boats": rows, "Teak boats": rows, "Ash boats": rows}), "list_shelf_names") is None


def test_objects_under_an_uncommon_name_count_for_a_tool_that_lists_or_searches() -> None:
    value = {"oddities": BOATS, "origin": "x", "mood": "calm"}
    assert records(structured(value), "search_harbour") == 2
    assert records(structured(value), "get_harbour") is None
    assert records(structured({**value, "error": "timeout"}), "search_harbour") is None


def test_the_costs_of_a_query_contradict_no_count() -> None:
    value = {"status": "success", "data": {"result": BOATS}, "stats": {"seriesFetched": 214, "rows_returned": 9}}
    assert records(structured(value), "query") == 2

"""One entity with lists in it, as opposed to a list with values beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering import meter
from gateway.metering.tool_declarations import parse_hints
from tests.metering.support import records, structured, texts, wire

CREW = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("get_boat", {"boat_id": "9"}, {"boat": {"id": "9", "name": "Ada"}, "crew": CREW}),
        ("get_boat", {"id": "9"}, {"data": {"id": "9", "type": "boats"}, "included": CREW}),
        ("get_boat", {"name": "Ada"}, {"name": "Ada", "berth": 9, "crew": CREW}),
        ("get_skipper", {"skipper": "ada"}, {"skipper": "ada", "ports": ["x"], "boats": CREW}),
        ("get_current_skipper", {}, {"id": 3, "login": "ada", "boats": CREW}),
        ("boats_get", {"name": "w"}, {"kind": "Boat", "metadata": {"name": "w"}, "spec": {"crew": CREW}, "status": {}}),
        ("get_trip", {"trip_id": 1}, {"trip_id": 1, "state": {"phase": "done"}, "legs": CREW}),
        ("view_bill", {"bill_no": "I-1"}, {"bill_no": "I-1", "sum": 12.5, "lines": CREW, "paid": True}),
        ("get_boat_by_uid", {"uid": "b"}, {"boat": {"uid": "b", "title": "T", "crew": CREW}, "meta": {"slug": "t"}}),
        ("lookup_skipper", {"email": "a@b.c"}, {"skipper": {"id": 3, "email": "a@b.c", "boats": CREW}}),
        ("api_request", {"method": "GET", "path": "/v1/boats/17"}, {"id": 17, "name": "Ada", "crew": CREW}),
        ("harbour_get", {"path": "/boats/AB-2.json"}, {"id": "4", "key": "AB-2", "fields": {"crew": []}}),
    ],
)
def test_an_entity_with_lists_is_one_record(tool: str, arguments: dict[str, Any], value: dict[str, Any]) -> None:
    assert records(structured(value), tool, **arguments) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("get_boats", {"port": "X"}, {"port": "X", "boats": CREW}),
        ("get_channel_history", {"channel": "C"}, {"channel": "C", "messages": CREW}),
        ("get_forecast", {"city": "Oslo"}, {"city": "Oslo", "country": "NO", "forecast": CREW}),
        ("get_boat_history", {"name": "Ada"}, {"name": "Ada", "unit": "m", "points": CREW}),
        ("get_harbour_masters", {"port": "X"}, {"port": "X", "harbour_masters": CREW, "tips": [{"id": 1}]}),
        ("list_crew", {"boat_id": "9"}, {"boat": {"id": "9", "name": "Ada"}, "crew": CREW}),
        ("read_sheet", {"sheet": "S"}, {"sheet": "S", "title": "T", "values": [[1, "a"], [2, "b"]]}),
        ("api_request", {"method": "GET", "path": "/v1/boats/17/crew"}, {"crew": CREW}),
    ],
)
def test_a_list_beside_the_values_of_the_arguments_is_counted(
    tool: str, arguments: dict[str, Any], value: dict[str, Any]
) -> None:
    assert records(structured(value), tool, **arguments) == 2


def test_one_object_of_an_unclear_call_is_unknown() -> None:
    assert records(structured({"zone": "UTC+1", "time": "12:00"}), "get_time", timezone="Oslo") is None
    assert records(structured({"used": "A1:B2", "view": {"active": True}}), "show_sheet", table="boats") is None


def test_the_object_of_a_query_is_a_row() -> None:
    assert records(structured({"a": 1, "b": 2}), "query", sql="SELECT * FROM boats") == 1


def test_an_empty_list_of_an_entity_does_not_count_for_the_schema() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "crew": {"type": "array"}}}
    hints = parse_hints(wire({"output": schema}))
    boat = {"id": "9", "name": "Ada", "berth": {"id": "b"}, "crew": []}
    assert meter("getBoatById", {"id": "9"}, wire(structured(boat)), None, hints).records == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("get_item_details", {"counter": 7}, {"id": 27, "counter": 7, "title": "T", "event": {"id": 9}}),
        ("get_entry", {"entryId": "e4"}, {"sys": {"id": "e4"}, "metadata": {}, "fields": {"title": {"en": "x"}}}),
    ],
)
def test_an_entity_is_told_by_any_argument_and_may_have_fields(
    tool: str, arguments: dict[str, Any], value: dict[str, Any]
) -> None:
    assert records(structured(value), tool, **arguments) == 1


@pytest.mark.parametrize(
    ("value", "arguments", "expected"),
    [
        ({"boat": {"id": 7, "name": "Ida", "crew": ["a", "b"]}, "url": "u/7"}, {"action": "get", "id": "7"}, 1),
        ({"boat": {"id": 7, "name": "Ida", "crew": ["a", "b"]}, "url": "u/7"}, {"action": "mute", "id": "7"}, None),
        ({"boats": [{"id": 7}, {"id": 8}], "url": "u"}, {"action": "get", "port_id": "4"}, 2),
        ({"boats": [{"id": 7}, {"id": 8}], "url": "u"}, {"action": "list"}, 2),
    ],
)
def test_a_tool_without_a_verb_fetches_one_thing_if_the_call_asks_it_to(
    value: dict[str, Any], arguments: dict[str, Any], expected: int | None
) -> None:
    assert records(structured(value), "boats", **arguments) == expected


def test_a_plural_in_ies_has_its_singular() -> None:
    value = {"ferry": {"id": 7, "name": "Ida", "crew": ["a", "b"]}, "url": "u/7"}
    assert records(structured(value), "ferries", action="get", id="7") == 1


def test_the_schema_does_not_turn_a_list_of_the_entity_that_the_call_names_into_records() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "stages": {"type": "array"}}}
    hints = parse_hints(wire({"output": schema}))
    pipeline = {"id": "default", "label": "Sales", "stages": [{"id": "a"}, {"id": "b"}]}
    assert meter("get_pipeline", {"pipeline_id": "default"}, wire(structured(pipeline)), None, hints).records == 1


def test_a_list_in_the_entity_that_has_the_id_of_the_call_is_not_counted() -> None:
    document = {"_index": "ships", "_id": "9", "found": True, "_source": {"crew": ["a"], "items": [{"x": 1}, {"x": 2}]}}
    assert records(structured(document), "get_document", index="ships", id="9") in (1, None)


@pytest.mark.parametrize(
    ("tool", "arguments", "text", "expected"),
    [
        ("get_repository", {"name": "sloop"}, "Repository: sloop\nOwner: ida\nStars: 5", 1),
        ("get_contact", {"id": "003x"}, "Contact Details:\n- Id: 003x\n- Name: Ida\n- Phone: N/A", 1),
        ("get_contact", {"id": "003x"}, "Contact Details:\n- Id: 003y\n- Name: Ida\n- Phone: N/A", None),
        ("get_contact", {"id": "003x"}, "Id: 003x", None),
        ("analyze_contact", {"id": "003x"}, "The contact:\n\n- Id: 003x\n- Name: Ida\n\nThey are late.", None),
    ],
)
def test_fields_in_a_text_are_the_entity_that_the_call_names(
    tool: str, arguments: dict[str, Any], text: str, expected: int | None
) -> None:
    assert records(texts(text), tool, **arguments) == expected


def test_the_fields_of_an_entity_beside_the_entity_are_no_second_record() -> None:
    boat = {"id": "b7", "name": "Oak", "port": "Brno"}
    assert records(texts("Boat: b7\nName: Oak\nPort: Brno", json.dumps(boat)), "get_boat", boat_id="b7") == 1


def test_a_fetching_tool_needs_no_arguments_to_return_an_entity_with_an_id() -> None:
    assert records(structured({"id": "7", "name": "Ida", "boats": CREW}), "get_profile") == 1

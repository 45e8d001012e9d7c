"""Titles, remarks, advice and footers around records are not records, whatever the format of the records."""

from __future__ import annotations

import json
from itertools import product

import pytest

from tests.metering.support import records, texts

_CELLS = (
    ("101", "Ann Lee", "Oslo"),
    ("102", "Ben Ray", "Rome"),
    ("103", "Cid Oak", "Bern"),
    ("104", "Dea Fox", "Nice"),
)
_NAMES = ("id", "name", "city")
_OBJECTS = [dict(zip(_NAMES, cells, strict=True)) for cells in _CELLS]

RECORDS = {
    "markdown": "| id | name | city |\n|---|---|---|\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in _CELLS),
    "csv": "\n".join(map(",".join, (_NAMES, *_CELLS))),
    "json": json.dumps(_OBJECTS, indent=2),
    "ndjson": "\n".join(map(json.dumps, _OBJECTS)),
    "fields": "\n\n".join(f"ID: {number}\nName: {name}\nCity: {city}" for number, name, city in _CELLS),
    "fields between rules": "\n---\n".join(f"ID: {number}\nName: {name}" for number, name, _ in _CELLS),
    "bullets": "\n".join(f"- {name} ({number})" for number, name, _ in _CELLS),
    "labelled bullets": "\n".join(f"- ID: {number}, Name: {name}, City: {city}" for number, name, city in _CELLS),
    "nested bullets": "\n".join(f"- {name}\n  - ID: {number}\n  - City: {city}" for number, name, city in _CELLS),
    "numbers": "\n".join(f"{at}. {cells[1]}\n   ID: {cells[0]}" for at, cells in enumerate(_CELLS, start=1)),
    "headings": "\n\n".join(f"## {name}\n**ID:** {number}\n**City:** {city}" for number, name, city in _CELLS),
    "numbered blocks": "\n\n".join(
        f"Record {at}:\n  ID: {one[0]}\n  Name: {one[1]}" for at, one in enumerate(_CELLS, 1)
    ),
    "symbols": "\n".join(f"\N{BUST IN SILHOUETTE} {name} \N{EM DASH} {city}" for _, name, city in _CELLS),
    "yaml": "customers:\n" + "\n".join(f"  - id: {number}\n    name: {name}" for number, name, _ in _CELLS),
    "links": "\n".join(f"- [{name}](https://x.test/{number}): from {city}" for number, name, city in _CELLS),
    "tuples": "\n".join(map(str, _CELLS)),
    "toon": "customers[4]{id,name,city}:\n" + "\n".join("  " + ",".join(cells) for cells in _CELLS),
    "texts": "\n\n".join(f"{at}. {one[1]}\n   Lives in {one[2]}, and likes it." for at, one in enumerate(_CELLS, 1)),
    "log": "\n".join(f"2026-01-01 10:00:0{at} INFO user {one[0]} from {one[2]}" for at, one in enumerate(_CELLS)),
}
ABOVE = (
    "",
    "# Customers\n\n",
    "Customers:\n\n",
    "Found 4 customers:\n\n",
    'Results for "lee":\n\n',
    "Query: lee\nResults: 4\n\n",
    "# Search results\n\n**Query:** lee\n**Total:** 57\n**Page:** 1\n\n",
    "Here are the customers that match:\n\n",
    "Page 1 of 3\n\n",
    "Database: shop\nTable: customers\n\n",
    "The search was successful.\n\n",
)
BELOW = (
    "",
    "\n\nTotal: 57 customers",
    "\n\nPage 1 of 3",
    "\n\nNext cursor: eyJpZCI6MTA0fQ==",
    "\n\nUse get_customer with an id to see details.",
    "\n\n... and 12 more",
    "\n\n> Tip: use `offset` to see the next page.",
    "\n\nExecution time: 12 ms",
    "\n\n## Next steps\n\n- Use get_customer for details\n- Use list_orders for orders",
    "\n\nThere are more results. Pass page=2 to see them.",
    "\n\nHas more: true\nNext page: 2",
)


@pytest.mark.parametrize("form", RECORDS)
def test_what_surrounds_records_does_not_change_their_number(form: str) -> None:
    around = {(above, below): above + RECORDS[form] + below for above, below in product(ABOVE, BELOW)}
    found = {sides: records(texts(text), "search_customers", query="lee") for sides, text in around.items()}
    assert {sides: number for sides, number in found.items() if number != 4} == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A-1: Fix the door\n\nStatus: open\n\nComments (2):\n\n- ann: hello\n- bob: hi", None),
        ("No open tasks.\n\nDone tasks:\n- Buy milk\n- Sell car", None),
        ("users: 5 rows\norders: 12 rows", 2),
        ("Table: a\nRows: 3\n\nTable: b\nRows: 4", 2),
        ("### One\n\nSome text of a chunk.\n\n### Two\n\nMore text of a chunk.", 2),
        ("Page: 3\nText: the door\n\nPage: 4\nText: the roof", 2),
        ("- [ ] Buy milk (due 2026-01-01)", 1),
        ("customers[1]{id,name}:\n  7,Ann", 1),
        ("Customers:\n\ncustomers[1]{id,name}:\n  7,Ann", 1),
        ("<parts><part><id>7</id></part></parts>", 1),
    ],
)
def test_fields_and_sentences_of_records_are_no_remarks(text: str, expected: int | None) -> None:
    assert records(texts(text), "list_parts") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHOP-1,Dark mode,open\nSHOP-2,Crash on start,done\nSHOP-3,Wrong total,open", 3),
        ("code,title,state\nSHOP-2,Crash on start,done\nSHOP-3,Wrong total,open", 2),
        ("day1,day2,day3\n4,5,6\n7,8,9", 2),
        ("[2]{key,name}:\n  SHOP,Shop\n  OPS,Operations", 2),
    ],
)
def test_a_first_line_of_the_form_of_those_below_is_no_header(text: str, expected: int) -> None:
    assert records(texts(text), "export_items") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("M\tsrc/a.py\nA\tsrc/b.py\nD\tdocs/c.md", 3),
        ("4.0K\t./docs\n16M\t./src", 2),
        ("#datatype,string,long,double\n#group,false,false,false\n,result,table,_value\n,,0,1.5\n,,0,2.5", 2),
        ("name,topic\n#ops,deploys\n#random,all", 2),
        ("docs:\n  a.md\n  b.md\nnotes:\n  c.md", 3),
        ("   id = 1\n name = Ann\n\n   id = 2\n name = Ben", 2),
        ("<rss><channel><title>T</title><item><title>A</title></item><item><a>B</a></item></channel></rss>", 2),
        ("<feed><title>T</title><link a='1'/><link a='2'/><entry><id>1</id></entry></feed>", 1),
        ("<answer><hits><hit><id>1</id></hit><hit><id>2</id></hit></hits></answer>", 2),
    ],
)
def test_values_names_and_elements_are_told_from_what_describes_them(text: str, expected: int) -> None:
    assert records(texts(text), "find_entries") == expected


def test_the_elements_within_one_entity_are_no_records() -> None:
    text = "<issue><id>7</id><title>Door</title><comments><comment>a</comment><comment>b</comment></comments></issue>"
    assert records(texts(text), "get_issue", id="7") == 1


def test_tallies_and_a_statement_beside_fields_about_the_result_are_remarks() -> None:
    boats = ((1, "open"), (2, "done"), (3, "open"))
    rows = "\n".join(f"B-{number} | Idun, {number} | {state} | low\n  Seen by {number}." for number, state in boats)
    heading = "# Boats\n**Filter:** `x = 1`\nFound 4 boats\n\n**By Status:** open: 2, done: 1\n\n"
    assert records(texts(heading + rows), "search_boats", filter="x = 1") == 3
    assert records(texts("Bergen: 4, Oslo: 3"), "boats_by_port") is None


def test_a_text_whose_heading_begins_with_the_id_of_the_entity_is_that_entity() -> None:
    text = "# B-2: Idun\n\nSloop | moored | low\nOwner: Ada\nBuilt 1990 | Painted 2001\n\nNotes:\nSeen in the port.\n"
    assert records(texts(text), "get_boat", boatKey="B-2") == 1
    assert records(texts(text), "manage_boat", operation="get", boatKey="B-2") == 1
    assert records(texts(text), "get_boat", boatKey="B-3") is None
    assert records(texts(text), "get_boat_history", boatKey="B-2") is None
    assert records(texts(text), "moor_boat", boatKey="B-2") is None

"""YAML dumps are counted as the JSON of the same structure."""

from __future__ import annotations

import pytest

from tests.metering.support import metered, records, texts

ISSUES = """status_code: 200
body:
  issues:
  - id: 4000
    project:
      id: 3
      name: Billing
    subject: 'Totals: wrong rounding'
    description: |
      - a point
      - another: point
    custom_fields:
    - id: 1
      value: low
  - id: 4001
    project:
      id: 3
      name: Billing
    subject: "Export fails
      - again"
    description: ''
    custom_fields: []
  total_count: 512
  offset: 0
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ISSUES, 2),
        ("<data-7fa7e3>\n" + ISSUES + "\n</data-7fa7e3>", 2),
        ("body:\n  issues: []\n  total_count: 0\n  offset: 0\n", 0),
        ("- id: 1\n  name: a\n  tags:\n  - x\n  - y\n- id: 2\n  name: b\n  tags: []\n", 2),
        (
            "issues[2]:\n  - id: 1\n    labels[1]: web\n  - id: 2\n    labels: []\nisLast: true\n",
            2,
        ),
        ("rows[3]{id,name}:\n  1,a\n  2,b\n  3,c\ntotal: 40\n", 3),
        ("---\nitems:\n- metadata:\n    name: web\n  kind: Pod\n- metadata:\n    name: db\n  kind: Pod\n", 2),
    ],
)
def test_the_records_in_a_dump_are_counted(text: str, expected: int) -> None:
    assert records(texts(text), "request") == expected


def test_a_dump_with_an_error_is_an_error() -> None:
    text = "status_code: 404\nbody: ''\nerror: 'Client error ''404 Not Found'' for url x'\n"
    answer = metered(texts(text), "request")
    assert (answer.tables, answer.records, answer.method) == ((), 0, "error")


@pytest.mark.parametrize(
    "text",
    [
        "Dear all:\n  we met: on Monday\nand it rained.\n",
        "a: 1\nb: 2\n",
        "Note:\n  The door: it is open\n  The roof: it is not\n  And more text\n",
        "place: x\nname:\n- a\nname:\n- b\n",
        "rows[9]: x\nbody: {}\n",
        "results:\n  tags[999999]: x\n  items[0]: x\n",
    ],
)
def test_other_texts_with_colons_are_no_dumps(text: str) -> None:
    assert records(texts(text), "read") is None


def test_json_behind_the_label_of_an_entry_is_read() -> None:
    assert records(texts('- Results: {"total": 57, "results": [{"id": 1}, {"id": 2}]}'), "search") == 2


def test_nested_elements_are_no_single_object() -> None:
    nested = "<DATA><RESULT><STATUS>0</STATUS></RESULT><PARAMETER><LIMIT>5</LIMIT></PARAMETER></DATA>"
    assert records(texts(nested), "get_data", id="7") is None
    assert records(texts("<boat><length>7</length><wood>oak</wood></boat>"), "get_boat", id="7") == 1

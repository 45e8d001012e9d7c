"""Results that repeat the objects of the arguments."""

from __future__ import annotations

from tests.metering.support import records, structured, texts

BOATS = [{"name": "Adalyn", "port": "Bergen"}, {"name": "Idun", "port": "Stavanger"}]
LIST = "1. Adalyn (Bergen)\n2. Idun (Stavanger)"


def test_objects_that_the_call_has_given_are_in_doubt_if_the_tool_may_write() -> None:
    assert records(texts(LIST), "split_boats", boats=BOATS) is None
    assert records(structured({"boats": BOATS, "total_boats": 2}), "plan_boats", boats=BOATS) is None
    assert records(structured({"boats": BOATS}), "plan_boats", boats=BOATS) is None


def test_objects_that_the_call_has_given_count_if_the_tool_reads() -> None:
    assert records(structured({"boats": BOATS}), "find_boats", like=BOATS) == 2


def test_values_that_only_select_the_records_are_no_doubt() -> None:
    assert records(structured({"boats": BOATS}), "boats", names=["Adalyn", "Idun"], ports=["Bergen"]) == 2
    assert records(texts(LIST), "split_boats") == 2

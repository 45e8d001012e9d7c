"""The indices that PPL reads and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import ppl


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("source=logs | where a=1 | stats count() by b", "logs"),
        ("search source=logs a=1 | fields x", "logs"),
        ("SEARCH a=1 SOURCE = logs", "logs"),
        ("source = a, b | head 5", "a b"),
        ("source=`logs-2024` | head", "logs-2024"),
        ("source=a | inner join left=l right=r on l.id = r.id [source=b | head 1]", "a b"),
        ("source=a | lookup b id as x", "a b"),
        ("source=a | where x in [ source = b | fields id ]", "a b"),
        ("source=a | append [ source=b | head 1 ]", "a b"),
        ("source=a | where x = '| lookup b id'", "a"),
        ("describe logs", "logs"),
    ],
)
def test_indices_read(text: str, read: str) -> None:
    found = ppl.read(text)
    assert found is not None
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


def test_the_right_side_of_a_join_without_brackets_is_the_last_name() -> None:
    found = ppl.read("source=a | join left=l right=r on l.id = r.id b")
    assert found is not None
    assert (found.read, found.is_exhaustive) == (("a", "b"), False)


@pytest.mark.parametrize(
    "text", ["source=logs-*", "source=*", "source=a | unknown b", "source=a // \n | head", "show datasources"]
)
def test_a_query_that_may_reach_more_is_not_exhaustive(text: str) -> None:
    found = ppl.read(text)
    assert found is None or not found.is_exhaustive


@pytest.mark.parametrize("text", ["", "a=1", "| head", "source=a | where x in [", "SELECT 1 FROM t"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert ppl.read(text) is None

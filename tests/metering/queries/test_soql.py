# ruff: noqa: E501 - the cases are read better in one line each
"""The objects that SOQL and SOSL read and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import soql


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("SELECT Id, Name FROM Contact WHERE Name = 'a FROM Lead' LIMIT 5", "contact"),
        ("select c.Id from Contact c", "contact"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Opportunity WHERE Amount > 1)", "account opportunity"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 2", "account"),
        ("SELECT COUNT() FROM Lead WHERE CreatedDate = LAST_N_DAYS:30", "lead"),
        ("SELECT Id FROM Case USING SCOPE mine", "case"),
        ("FIND {O'Brien} IN ALL FIELDS RETURNING Account(Id, Name WHERE x = 1), Contact LIMIT 5", "account contact"),
    ],
)  # fmt: skip
def test_objects_read(text: str, read: str) -> None:
    found = soql.read(text)
    assert found is not None
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Id, (SELECT Id FROM Cases) FROM Contact",
        "SELECT Id, ((SELECT Id FROM Cases)) FROM Contact",
        "SELECT Account.Name FROM Contact",
        "SELECT c.Account.Name FROM Contact c",
        "SELECT Id FROM Contact WHERE Account.Name = 'x'",
        "SELECT toLabel(Account.Name) FROM Contact",
        "SELECT TYPEOF What WHEN Account THEN Phone END FROM Contact",
        "SELECT Id FROM Contact c, c.Account a",
    ],
)
def test_a_relation_of_an_object_may_reach_another(text: str) -> None:
    found = soql.read(text)
    assert found is not None
    assert (found.read, found.is_exhaustive) == (("contact",), False)


def test_a_search_without_objects_reaches_all() -> None:
    found = soql.read("FIND {x}")
    assert found is not None
    assert (found.read, found.is_exhaustive) == ((), False)


@pytest.mark.parametrize("text", ["", "acme", "SELECT Id", "SELECT Id FROM", "SELECT Id FROM (SELECT 1)", "FIND :x"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert soql.read(text) is None

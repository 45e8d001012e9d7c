# ruff: noqa: E501 - the cases are read better in one line each
"""Macros of templates in SQL."""

from __future__ import annotations

import pytest

from gateway.metering.sql import cache as sql_cache


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("SELECT * FROM {{ ref('orders') }} WHERE x = 1", ("orders",)),
        ("SELECT * FROM {{ source('raw', 'orders') }} JOIN {{ ref('package', 'users') }} USING (x)", ("raw.orders", "users")),
        ("SELECT * FROM ${db}.orders WHERE x > ${from}", ("orders",)),
        ("SELECT {{ column }} FROM {{ table }}", ()),
        ("SELECT * FROM t WHERE true [[AND x = {{y}}]]", ("t",)),
        ("{% if a %} SELECT 1 FROM t {% endif %}", ("t",)),
        ("SELECT count() FROM web.access WHERE $__timeFilter(ts)", ("web.access",)),
    ],
)  # fmt: skip
def test_tables_of_a_template_are_known_but_not_exhaustive(text: str, read: tuple[str, ...]) -> None:
    found = sql_cache.analyze(text)
    assert found is not None
    assert (found.read, found.is_exhaustive, found.columns) == (read, False, None)


@pytest.mark.parametrize("text", ["{{" * 5_000, "{%" * 5_000, "${" * 5_000, "{{ ref(" * 2_000, "[[" * 100 + "{{ x }}"])
def test_a_broken_template_has_no_analysis(text: str) -> None:
    assert sql_cache.analyze(text) is None

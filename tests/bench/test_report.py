"""The tables, and the page that holds them."""

from __future__ import annotations

from pathlib import Path

from bench import report
from bench.results import Results
from tests.bench.runs import run

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "performance.md"


def test_only_the_tables_of_the_page_are_replaced() -> None:
    page = PAGE.read_text()
    replaced = report.replace_tables(page, "| new |")
    assert "| new |" in replaced
    assert replaced.startswith(page.partition("<!-- measured -->")[0])
    assert replaced.endswith(page.partition("<!-- end of measured -->")[2])
    assert report.replace_tables(replaced, "| new |") == replaced


def test_a_row_has_the_ratio_to_nginx_except_for_direct() -> None:
    runs = [run("direct"), run("nginx", worker=20.0), run("gateway", worker=50.0)]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | gateway | 50.0 | 2.50 |" in tables
    assert "| 1kb-json | direct |  |  |" in tables

from __future__ import annotations

from pathlib import Path

from bench import report
from bench.results import Results
from tests.bench.runs import run

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "performance.md"


def test_the_page_keeps_all_but_its_tables() -> None:
    page = PAGE.read_text()
    renewed = report.renewed(page, "| new |")
    assert "| new |" in renewed
    assert renewed.startswith(page.partition("<!-- measured -->")[0])
    assert renewed.endswith(page.partition("<!-- end of what was measured -->")[2])
    assert report.renewed(renewed, "| new |") == renewed


def test_a_row_has_the_ratio_to_nginx_and_direct_has_none() -> None:
    runs = [run("direct"), run("nginx", worker=20.0), run("gateway", worker=50.0)]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | gateway | 50.0 | 2.50 |" in tables
    assert "| 1kb-json | direct |  |  |" in tables

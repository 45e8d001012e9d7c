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


def test_a_row_has_both_ratios_and_user_and_system_time_except_for_direct() -> None:
    runs = [run("direct"), run("nginx", worker=20.0), run("bare", worker=40.0), run("gateway", worker=50.0, system=15)]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | gateway | 50.0 | 2.50 | 1.25 | 35.0 | 15.0 |" in tables
    assert "| 1kb-json | direct |  |  |  |  |  |" in tables


def test_latency_under_load_has_median_and_p99_with_both_ratios() -> None:
    runs = [run("nginx", latency=100, p99=200), run("bare", latency=150, p99=600), run("gateway", latency=300, p99=600)]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | gateway | 300 | 3.00 | 2.00 | 600 | 3.00 | 1.00 |" in tables


def test_added_latency_at_one_connection_has_both_ratios() -> None:
    latencies = {"direct": 20, "nginx": 120, "bare": 70, "gateway": 220}
    runs = [run(proxy, latency=us, connections=1) for proxy, us in latencies.items()]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | gateway | 220 | 200 | 2.00 | 4.00 | 220 | 200 | 2.00 |" in tables
    assert "| 1kb-json | direct | 20 |  |  |  | 20 |  |  |" in tables


def test_a_limited_key_stands_next_to_an_unlimited_one() -> None:
    runs = [run("gateway", worker=100, latency=300), run("limited-key", worker=150, latency=600), run("nginx")]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | 64 | 100 | 150 | 1.50 | 100 | 150 | 1.50 | 300 | 600 | 2.00 |" in tables
    assert "with a limited key" not in report.markdown(Results("a machine", runs[1:]))


def test_a_run_with_the_neighbour_stands_next_to_the_run_without() -> None:
    alone = [run("nginx", worker=10), run("bare", worker=20), run("gateway", worker=40)]
    busy = [
        run("nginx", worker=20, neighbour_share=0.21),
        run("bare", worker=50, neighbour_share=0.21),
        run("gateway", worker=100, neighbour_share=0.21),
    ]
    tables = report.markdown(Results("a machine", [*alone, *busy]))
    assert "| 1kb-json | gateway | 40.0 | 100.0 | 2.50 | 4.00 | 2.00 | 5.00 | 2.00 | 21% |" in tables
    assert "| 1kb-json | gateway | 40.0 | 4.00 | 2.00 |" in tables


def test_latency_with_the_neighbour_stands_next_to_latency_without() -> None:
    latencies = {"direct": (20, 30), "nginx": (120, 180), "gateway": (220, 480)}
    runs = [
        run(proxy, latency=us, connections=1, neighbour_share=share)
        for proxy, both in latencies.items()
        for us, share in zip(both, (None, 0.2), strict=True)
    ]
    tables = report.markdown(Results("a machine", runs))
    assert "| 1kb-json | gateway | 220 | 480 | 220 | 480 | 2.00 | 3.00 |" in tables


def test_without_the_neighbour_there_is_no_table_of_it() -> None:
    assert "neighbour" not in report.markdown(Results("a machine", [run("nginx"), run("nginx", connections=1)]))

"""The tables of results, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from bench.calls import LOAD_CONNECTIONS
from bench.goals import measured_goals, relative_overhead
from bench.measurements.runs import Run
from bench.results import Results, first_byte_us, latency_us, overhead, p10_latency_us, ratio, total_us, worker_us

_TEXT_COLUMNS = ("call", "proxy", "goal", "bound", "met", "group", "slowest")
_BEGIN, _END = "<!-- measured -->", "<!-- end of measured -->"


def progress_line(run: Run) -> str:
    """Return the line that is printed after a run."""
    cpu = ", ".join(f"{process} {us:.1f}" for process, us in run.cpu_us.items())
    return (
        f"{run.call:12} {run.proxy:8} {run.connections:3} connections {run.load.answered / run.load.seconds:8.0f}/s, "
        f"median {run.load.latency_us.median:.0f} µs, CPU µs per call: {cpu}"
    )


def markdown(results: Results) -> str:
    """Return all tables."""
    loads = [run.load_average for run in results.runs]
    under = f"; load average while measuring {median(loads):.1f}, at most {max(loads):.1f}" if loads else ""
    sections = (
        _goals(results),
        _cpu(results),
        _latency(results),
        _streams(results),
        _loop_iterations(results),
        _slowest_inputs(results),
    )
    return "\n\n".join([f"{results.machine}{under}.", *filter(None, sections)]) + "\n"


def replace_tables(page: str, tables: str) -> str:
    """Return a page with the text between its markers replaced by these tables."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{tables}\n{_END}{after}"


def _goals(results: Results) -> str:
    rows = (
        (goal.name, f"{goal.bound:g} {goal.unit}", f"{goal.measured:.2f}", "yes" if goal.is_met else "no")
        for goal in measured_goals(results)
    )
    return _table("Goals", ("goal", "bound", "measured", "met"), rows)


def _cpu(results: Results) -> str:
    columns = ("call", "proxy", "worker", "times nginx", "Valkey", "usage writer", "total", "times nginx", "calls/s")
    return _table(
        f"CPU time per call in µs, and calls per second, at {LOAD_CONNECTIONS} connections", columns, _cpu_rows(results)
    )


def _cpu_rows(results: Results) -> Iterator[Sequence[str]]:
    for call, proxy in _measured(results, LOAD_CONNECTIONS):
        runs, nginx = results.select(proxy, call, LOAD_CONNECTIONS), results.select("nginx", call, LOAD_CONNECTIONS)
        rate = f"{median(run.load.answered / run.load.seconds for run in runs):.0f}"
        if proxy == "direct":
            yield call, proxy, *[""] * 6, rate
            continue
        others = [
            f"{median(run.cpu_us[process] for run in runs):.1f}" if process in runs[0].cpu_us else ""
            for process in ("valkey", "writer")
        ]
        worker, total = median(map(worker_us, runs)), median(map(total_us, runs))
        times_nginx = [_number(ratio(measure, runs, nginx), 2) for measure in (worker_us, total_us)]
        yield call, proxy, f"{worker:.1f}", times_nginx[0], *others, f"{total:.1f}", times_nginx[1], rate


def _latency(results: Results) -> str:
    columns = (
        "call",
        "proxy",
        "median",
        "added",
        "times nginx",
        "p10",
        "added",
        "times nginx",
        "p99",
        "first byte",
        "CPU time of the worker",
    )
    return _table("Latency at one connection, in µs", columns, _latency_rows(results))


def _latency_rows(results: Results) -> Iterator[Sequence[str]]:
    for call, proxy in _measured(results, 1):
        runs, direct = results.select(proxy, call, 1), results.select("direct", call, 1)
        is_proxy = proxy != "direct"
        cells = [call, proxy]
        for measure in (latency_us, p10_latency_us):
            cells.append(f"{median(map(measure, runs)):.0f}")
            cells.append(_number(overhead(measure, runs, direct), 0) if is_proxy else "")
            cells.append(_number(relative_overhead(results, proxy, call, measure), 2) if is_proxy else "")
        cells.append(f"{median(run.load.latency_us.p99 for run in runs):.0f}")
        cells.append(f"{median(map(first_byte_us, runs)):.0f}")
        cells.append(f"{median(map(worker_us, runs)):.0f}" if is_proxy else "")
        yield cells


def _streams(results: Results) -> str:
    rows = ((each.proxy, str(each.streams), f"{each.kib_per_stream:.1f}") for each in results.streams)
    return _table("Memory of idle listening streams", ("proxy", "streams", "KiB per stream"), rows)


def _loop_iterations(results: Results) -> str:
    rows = (
        (each.call, str(each.calls), f"{each.median_ms:.2f}", f"{each.longest_ms:.2f}")
        for each in results.loop_iterations
    )
    title = "Longest iteration of the worker's event loop during a call, in ms of CPU time"
    return _table(title, ("call", "calls", "median", "longest"), rows)


def _slowest_inputs(results: Results) -> str:
    rows = ((each.group, str(each.inputs), f"`{each.slowest}`", f"{each.ms:.2f}") for each in results.slowest_inputs)
    return _table("Metering of hostile inputs, in ms of CPU time", ("group", "inputs", "slowest", "ms"), rows)


def _measured(results: Results, connections: int) -> Iterable[tuple[str, str]]:
    return dict.fromkeys((run.call, run.proxy) for run in results.runs if run.connections == connections)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = list(rows)
    if not cells:
        return ""
    rule = ["---" if column in _TEXT_COLUMNS else "---:" for column in columns]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in (columns, rule, *cells))])

"""The tables of results, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from bench.calls import LOAD_CONNECTIONS
from bench.goals import measured_goals, relative_overhead
from bench.measurements.runs import Run
from bench.results import (
    Measure,
    Results,
    first_byte_us,
    latency_us,
    overhead,
    p10_latency_us,
    p99_latency_us,
    ratio,
    system_us,
    total_us,
    user_us,
    worker_us,
)

_TEXT_COLUMNS = ("call", "proxy", "goal", "bound", "met", "group", "slowest")
_BASES = ("nginx", "bare")
"""The yardsticks: proxies of which every other one is a multiple."""
_BEGIN, _END = "<!-- measured -->", "<!-- end of measured -->"


def progress_line(run: Run) -> str:
    """Return the line that is printed after a run."""
    cpu = ", ".join(f"{process} {us:.1f}" for process, us in run.cpu_us.items())
    neighbour = f", neighbour {run.neighbour_share:.0%}" if run.neighbour_share is not None else ""
    return (
        f"{run.call:12} {run.proxy:13} {run.connections:3} connections {run.load.answered / run.load.seconds:8.0f}/s, "
        f"median {run.load.latency_us.median:.0f} µs, CPU µs per call: {cpu}{neighbour}"
    )


def markdown(results: Results) -> str:
    """Return all tables."""
    loads = [run.load_average for run in results.runs]
    under = f"; load average while measuring {median(loads):.1f}, at most {max(loads):.1f}" if loads else ""
    sections = (
        _goals(results),
        _cpu(results),
        _latency(results),
        _loaded_latency(results),
        _limits(results),
        _busy_cpu(results),
        _busy_latency(results),
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
    title = f"CPU time per call in µs, and calls per second, at {LOAD_CONNECTIONS} connections"
    worker = ("worker", "times nginx", "times bare", "user", "system")
    columns = ("call", "proxy", *worker, "Valkey", "usage writer", "total", "times nginx", "calls/s")
    return _table(title, columns, _cpu_rows(results))


def _cpu_rows(results: Results) -> Iterator[Sequence[str]]:
    for call, proxy in _measured(results, LOAD_CONNECTIONS):
        runs, nginx = results.select(proxy, call, LOAD_CONNECTIONS), results.select("nginx", call, LOAD_CONNECTIONS)
        rate = f"{median(run.load.answered / run.load.seconds for run in runs):.0f}"
        if proxy == "direct":
            yield call, proxy, *[""] * 9, rate
            continue
        others = [
            f"{median(run.cpu_us[process] for run in runs):.1f}" if process in runs[0].cpu_us else ""
            for process in ("valkey", "writer")
        ]
        user, system = _median(user_us, runs, 1), _median(system_us, runs, 1)
        worker = (_median(worker_us, runs, 1), *_multiples(results, worker_us, call, proxy), user, system)
        total = (_median(total_us, runs, 1), _number(ratio(total_us, runs, nginx), 2))
        yield call, proxy, *worker, *others, *total, rate


def _latency(results: Results) -> str:
    added = ("median", "added", "times nginx", "times bare", "p10", "added", "times nginx")
    columns = ("call", "proxy", *added, "p99", "first byte", "CPU time of the worker")
    return _table("Latency at one connection, in µs", columns, _latency_rows(results))


def _latency_rows(results: Results) -> Iterator[Sequence[str]]:
    for call, proxy in _measured(results, 1):
        runs, direct = results.select(proxy, call, 1), results.select("direct", call, 1)
        is_proxy = proxy != "direct"
        cells = [call, proxy]
        for measure, bases in ((latency_us, _BASES), (p10_latency_us, ("nginx",))):
            cells.append(_median(measure, runs))
            cells.append(_number(overhead(measure, runs, direct), 0) if is_proxy else "")
            multiples = (relative_overhead(results, proxy, call, measure, base) if is_proxy else None for base in bases)
            cells += (_number(multiple, 2) for multiple in multiples)
        cells += (_median(p99_latency_us, runs), _median(first_byte_us, runs))
        cells.append(_median(worker_us, runs) if is_proxy else "")
        yield cells


def _loaded_latency(results: Results) -> str:
    rows = []
    for call, proxy in _measured(results, LOAD_CONNECTIONS):
        runs = results.select(proxy, call, LOAD_CONNECTIONS)
        cells = [call, proxy]
        for measure in (latency_us, p99_latency_us):
            cells += (_median(measure, runs), *_multiples(results, measure, call, proxy))
        rows.append(cells)
    columns = ("call", "proxy", "median", "times nginx", "times bare", "p99", "times nginx", "times bare")
    return _table(f"Latency at {LOAD_CONNECTIONS} connections, in µs", columns, rows)


def _limits(results: Results) -> str:
    rows = []
    for connections in (LOAD_CONNECTIONS, 1):
        for call in dict.fromkeys(call for call, _ in _measured(results, connections)):
            limited, unlimited = (results.select(proxy, call, connections) for proxy in ("limited-key", "gateway"))
            if not (limited and unlimited):
                continue
            cells = [call, str(connections)]
            for measure in (worker_us, total_us, latency_us):
                cells += (_median(measure, unlimited), _median(measure, limited))
                cells.append(_number(ratio(measure, limited, unlimited), 2))
            rows.append(cells)
    columns = (
        f"{name}, {each}" for name in ("worker", "total", "median") for each in ("unlimited", "limited", "times")
    )
    title = "CPU time and median latency per call in µs, with an unlimited and with a limited key"
    return _table(title, ("call", "connections", *columns), rows)


def _busy_cpu(results: Results) -> str:
    rows = []
    for call, proxy in _measured(results, LOAD_CONNECTIONS, is_busy=True):
        alone, busy = (results.select(proxy, call, LOAD_CONNECTIONS, is_busy=is_busy) for is_busy in (False, True))
        if proxy == "direct":
            continue
        cells = [call, proxy, _median(worker_us, alone, 1), _median(worker_us, busy, 1)]
        cells.append(_number(ratio(worker_us, busy, alone), 2))
        for is_busy in (False, True):
            cells += _multiples(results, worker_us, call, proxy, is_busy=is_busy)
        cells.append(f"{median(run.neighbour_share or 0 for run in busy):.0%}")
        rows.append(cells)
    multiples = (f"times {base}, {state}" for state in ("alone", "busy") for base in _BASES)
    columns = ("call", "proxy", "alone", "busy", "busy / alone", *multiples, "share of the neighbour")
    title = f"CPU time of the worker per call in µs, alone and with the neighbour, at {LOAD_CONNECTIONS} connections"
    return _table(title, columns, rows)


def _busy_latency(results: Results) -> str:
    rows = []
    for call, proxy in _measured(results, 1, is_busy=True):
        alone, busy = (results.select(proxy, call, 1, is_busy=is_busy) for is_busy in (False, True))
        cells = [call, proxy]
        for measure in (latency_us, p99_latency_us):
            cells += (_median(measure, alone), _median(measure, busy))
        for is_busy in (False, True):
            added = None if proxy == "direct" else relative_overhead(results, proxy, call, is_busy=is_busy)
            cells.append(_number(added, 2))
        rows.append(cells)
    states = [
        f"{measure}, {state}" for measure in ("median", "p99", "added, times nginx") for state in ("alone", "busy")
    ]
    title = "Latency at one connection in µs, alone and with the neighbour"
    return _table(title, ("call", "proxy", *states), rows)


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


def _measured(results: Results, connections: int, *, is_busy: bool = False) -> Iterable[tuple[str, str]]:
    wanted = (connections, is_busy)
    return dict.fromkeys((run.call, run.proxy) for run in results.runs if (run.connections, run.is_busy) == wanted)


def _multiples(results: Results, measure: Measure, call: str, proxy: str, *, is_busy: bool = False) -> list[str]:
    if proxy == "direct":
        return [""] * len(_BASES)
    runs, *bases = (results.select(name, call, LOAD_CONNECTIONS, is_busy=is_busy) for name in (proxy, *_BASES))
    return [_number(ratio(measure, runs, base), 2) for base in bases]


def _median(measure: Measure, runs: Sequence[Run], digits: int = 0) -> str:
    return f"{median(map(measure, runs)):.{digits}f}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = list(rows)
    if not cells:
        return ""
    rule = ["---" if column in _TEXT_COLUMNS else "---:" for column in columns]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in (columns, rule, *cells))])

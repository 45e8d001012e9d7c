"""The tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from bench.calls import MANY
from bench.goals import added_to_nginx, measured_goals
from bench.results import Results, added, first_byte_us, latency_us, ratio, undisturbed_us, whole_us, worker_us
from bench.runs import Run

_BEGIN, _END = "<!-- measured -->", "<!-- end of what was measured -->"


def line(run: Run) -> str:
    """One run, as it is told while the bench is running."""
    parts = ", ".join(f"{part} {us:.1f}" for part, us in run.cpu_us.items())
    return (
        f"{run.call:12} {run.proxy:8} {run.connections:3} connections {run.load.answered / run.load.seconds:8.0f}/s, "
        f"median {run.load.latency_us.median:.0f} µs, CPU µs a call: {parts}"
    )


def markdown(results: Results) -> str:
    """Everything, as Markdown."""
    loads = [run.load_average for run in results.runs]
    under = f"; load average while measuring {median(loads):.1f}, at most {max(loads):.1f}" if loads else ""
    sections = (_goals(results), _cpu(results), _latency(results), _streams(results), _turns(results))
    return "\n\n".join([f"{results.machine}{under}.", *filter(None, sections)]) + "\n"


def renewed(page: str, tables: str) -> str:
    """A page with these tables instead of those that stand between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{tables}\n{_END}{after}"


def _goals(results: Results) -> str:
    rows = (
        (goal.what, f"{goal.bound:g} {goal.unit}", f"{goal.measured:.2f}", "yes" if goal.is_met else "no")
        for goal in measured_goals(results)
    )
    return _table("Goals", ("goal", "at most", "measured", "met"), rows)


def _cpu(results: Results) -> str:
    columns = ("call", "proxy", "worker", "to nginx", "Valkey", "writer", "all", "to nginx", "calls/s")
    return _table(f"CPU time of a call in µs, and calls a second, at {MANY} connections", columns, _cpu_rows(results))


def _cpu_rows(results: Results) -> Iterator[Sequence[str]]:
    for call, proxy in _measured(results, MANY):
        runs, nginx = results.of(proxy, call, MANY), results.of("nginx", call, MANY)
        rate = f"{median(run.load.answered / run.load.seconds for run in runs):.0f}"
        if proxy == "direct":
            yield call, proxy, *[""] * 6, rate
            continue
        engines = [
            f"{median(run.cpu_us[part] for run in runs):.1f}" if part in runs[0].cpu_us else ""
            for part in ("valkey", "writer")
        ]
        worker, whole = median(map(worker_us, runs)), median(map(whole_us, runs))
        to_nginx = [_number(ratio(measure, runs, nginx), 2) for measure in (worker_us, whole_us)]
        yield call, proxy, f"{worker:.1f}", to_nginx[0], *engines, f"{whole:.1f}", to_nginx[1], rate


def _latency(results: Results) -> str:
    columns = (
        "call",
        "proxy",
        "median",
        "added",
        "to nginx's",
        "p10",
        "added",
        "to nginx's",
        "p99",
        "first byte",
        "worker's CPU",
    )
    return _table("Latency at one connection in µs", columns, _latency_rows(results))


def _latency_rows(results: Results) -> Iterator[Sequence[str]]:
    for call, proxy in _measured(results, 1):
        runs, direct = results.of(proxy, call, 1), results.of("direct", call, 1)
        is_proxy = proxy != "direct"
        cells = [call, proxy]
        for measure in (latency_us, undisturbed_us):
            cells.append(f"{median(map(measure, runs)):.0f}")
            cells.append(_number(added(measure, runs, direct), 0) if is_proxy else "")
            cells.append(_number(added_to_nginx(results, proxy, call, measure), 2) if is_proxy else "")
        cells.append(f"{median(run.load.latency_us.p99 for run in runs):.0f}")
        cells.append(f"{median(map(first_byte_us, runs)):.0f}")
        cells.append(f"{median(map(worker_us, runs)):.0f}" if is_proxy else "")
        yield cells


def _streams(results: Results) -> str:
    rows = ((each.proxy, str(each.streams), f"{each.kib_each:.1f}") for each in results.streams)
    return _table("Memory of idle listening streams", ("proxy", "streams", "KiB each"), rows)


def _turns(results: Results) -> str:
    rows = ((each.call, str(each.calls), f"{each.median_ms:.2f}", f"{each.longest_ms:.2f}") for each in results.turns)
    title = "The longest turn of the worker's event loop in a call, in ms of CPU time"
    return _table(title, ("call", "calls", "median", "longest"), rows)


def _measured(results: Results, connections: int) -> Iterable[tuple[str, str]]:
    return dict.fromkeys((run.call, run.proxy) for run in results.runs if run.connections == connections)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = list(rows)
    if not cells:
        return ""
    rule = ["---" if column in ("call", "proxy", "goal", "at most", "met") else "---:" for column in columns]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in (columns, rule, *cells))])

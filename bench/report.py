"""The tables, and the goals that they are held against.

A ratio to nginx is the median of the rounds' ratios: in a round the proxies run one after the other, so that what else
the machine does at that time weighs on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median

import msgspec

from bench.calls import PROGRESS
from bench.runs import Run
from bench.streams import IdleStreams
from bench.turns import Turns

_MANY_COLUMNS = ("call", "proxy", "CPU µs", "to nginx", "with engines", "to nginx", "Valkey", "writer", "calls/s")
_ONE_COLUMNS = ("call", "proxy", "median µs", "p99 µs", "added µs", "added to nginx's", "first byte µs")


class Results(msgspec.Struct):
    """All that was measured."""

    machine: str
    runs: list[Run] = msgspec.field(default_factory=list)
    streams: list[IdleStreams] = msgspec.field(default_factory=list)
    turns: list[Turns] = msgspec.field(default_factory=list)

    def of(self, proxy: str, call: str, connections: int) -> list[Run]:
        """The rounds of one thing, in their order."""
        return [run for run in self.runs if (run.proxy, run.call, run.connections) == (proxy, call, connections)]


Measure = Callable[[Run], float]


def line(run: Run) -> str:
    """One run, as it is told while the bench is running."""
    parts = ", ".join(f"{part} {us:.1f}" for part, us in run.cpu_us.items())
    return (
        f"{run.call:11} {run.proxy:8} {run.connections:3} connections {run.load.answered / run.load.seconds:8.0f}/s, "
        f"median {run.load.latency_us.median:.0f} µs, CPU µs a call: {parts}"
    )


def markdown(results: Results) -> str:
    """Everything, as Markdown."""
    sections = (_many(results), _one(results), _streams(results), _turns(results), _goals(results))
    return "\n".join([results.machine, "", *(f"{section}\n" for section in sections if section)])


def _many(results: Results) -> str:
    rows = []
    for call, proxy, connections in _measured(results):
        if connections == 1:
            continue
        runs = results.of(proxy, call, connections)
        nginx = results.of("nginx", call, connections)
        parts = [f"{median(run.cpu_us[part] for run in runs):.1f}" if part in runs[0].cpu_us else "" for part in PARTS]
        rate = f"{median(run.load.answered / run.load.seconds for run in runs):.0f}"
        if proxy == "direct":
            rows.append((call, proxy, *[""] * 6, rate))
            continue
        whole = f"{median(map(_whole, runs)):.1f}"
        rows.append(
            (call, proxy, parts[0], _ratio(_worker, runs, nginx), whole, _ratio(_whole, runs, nginx), *parts[1:], rate)
        )
    return _table("CPU time of a call, and calls a second, at 64 connections", _MANY_COLUMNS, rows)


def _one(results: Results) -> str:
    rows = []
    for call, proxy, connections in _measured(results):
        if connections != 1:
            continue
        runs, direct, nginx = (results.of(name, call, 1) for name in (proxy, "direct", "nginx"))
        added = _added(_latency, runs, direct)
        rows.append(
            (
                call,
                proxy,
                f"{median(map(_latency, runs)):.0f}",
                f"{median(run.load.latency_us.p99 for run in runs):.0f}",
                f"{median(added):.0f}" if added else "",
                _ratio_of(added, _added(_latency, nginx, direct)),
                f"{median(map(_first_byte, runs)):.0f}",
            )
        )
    return _table("Latency at one connection", _ONE_COLUMNS, rows)


def _streams(results: Results) -> str:
    rows = [(each.proxy, str(each.streams), f"{each.kib_each:.1f}") for each in results.streams]
    return _table("Memory of idle listening streams", ("proxy", "streams", "KiB each"), rows)


def _turns(results: Results) -> str:
    rows = [(each.call, str(each.calls), f"{each.median_ms:.2f}", f"{each.longest_ms:.2f}") for each in results.turns]
    columns = ("call", "calls", "median ms", "longest ms")
    return _table("The longest turn of the worker's event loop in a call, in CPU time", columns, rows)


def _goals(results: Results) -> str:
    rows = [
        (what, f"{bound:g} {unit}", f"{value:.2f}", "yes" if value <= bound else "no")
        for what, value, bound, unit in _measured_goals(results)
    ]
    return _table("Goals", ("goal", "at most", "measured", "met"), rows)


def _measured_goals(results: Results) -> Iterator[tuple[str, float, float, str]]:
    for call, bound in (("1kb", 3.5), ("100kb", 5), ("2mb", 4)):
        for kind in ("json", "sse"):
            runs, nginx = (_many_of(results, name, f"{call}-{kind}") for name in ("gateway", "nginx"))
            if not (runs and nginx):
                continue
            yield f"worker's CPU, {call}-{kind}", median(_ratios(_worker, runs, nginx)), bound, "times nginx's"
            if call == "1kb":
                yield (
                    f"worker's, Valkey's and writer's CPU, {call}-{kind}",
                    median(_ratios(_whole, runs, nginx)),
                    5,
                    "times nginx's",
                )
    for kind in ("json", "sse"):
        ours, nginx, direct = (results.of(name, f"1kb-{kind}", 1) for name in ("gateway", "nginx", "direct"))
        if ours and nginx and direct:
            added = median(_added(_latency, ours, direct)) / median(_added(_latency, nginx, direct))
            yield f"added median latency, 1kb-{kind}", added, 2.5, "times nginx's"
    ours, direct = (results.of(name, PROGRESS.name, 1) for name in ("gateway", "direct"))
    if ours and direct:
        yield "first event of a stream, later than direct", median(_added(_first_byte, ours, direct)) / 1000, 0.5, "ms"
    for streams in results.streams:
        if streams.proxy == "gateway":
            yield "an idle stream", streams.kib_each, 25, "KiB"
    for turns in results.turns:
        if turns.call.startswith("2mb"):
            yield f"longest turn of the loop, {turns.call}", turns.longest_ms, 3, "ms"


PARTS = ("worker", "valkey", "writer")


def _worker(run: Run) -> float:
    return run.cpu_us["worker"]


def _whole(run: Run) -> float:
    return sum(run.cpu_us.values())


def _latency(run: Run) -> float:
    return run.load.latency_us.median


def _first_byte(run: Run) -> float:
    return run.load.first_byte_us.median


def _many_of(results: Results, proxy: str, call: str) -> list[Run]:
    return [run for run in results.runs if (run.proxy, run.call) == (proxy, call) and run.connections > 1]


def _measured(results: Results) -> list[tuple[str, str, int]]:
    return list(dict.fromkeys((run.call, run.proxy, run.connections) for run in results.runs))


def _ratios(measure: Measure, runs: Sequence[Run], base: Sequence[Run]) -> list[float]:
    return [measure(run) / measure(other) for run, other in zip(runs, base, strict=True)]


def _ratio(measure: Measure, runs: Sequence[Run], base: Sequence[Run]) -> str:
    return f"{median(_ratios(measure, runs, base)):.2f}" if base else ""


def _added(measure: Measure, runs: Sequence[Run], direct: Sequence[Run]) -> list[float]:
    """What a proxy adds in each round; nothing where direct was not measured."""
    return [measure(run) - measure(other) for run, other in zip(runs, direct, strict=bool(direct))]


def _ratio_of(added: Sequence[float], base: Sequence[float]) -> str:
    return f"{median(added) / median(base):.2f}" if added and base and median(added) > 0 else ""


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [columns, ["---:" if index > 1 else "---" for index in range(len(columns))], *rows]
    return "\n".join([f"**{title}**", "", *(f"| {' | '.join(cells)} |" for cells in lines), ""])

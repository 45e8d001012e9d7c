"""The table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench import machine
from bench.runs import Run


def line(run: Run) -> str:
    """One run, as it is told while the bench is running."""
    parts = ", ".join(f"{part} {us:.1f}" for part, us in run.cpu_us.items())
    return f"{run.proxy:8} {run.call:11} {run.load.answered / run.load.seconds:8.0f}/s  CPU µs a request: {parts}"


def markdown(runs: Sequence[Run]) -> str:
    """All runs."""
    rows = [
        "| call | proxy | CPU µs a request | all parts | to nginx | calls/s |",
        "| --- | --- | ---: | --- | ---: | ---: |",
    ]
    for call in dict.fromkeys(run.call for run in runs):
        nginx = [run for run in runs if (run.call, run.proxy) == (call, "nginx")]
        base = median(next(iter(run.cpu_us.values())) for run in nginx) if nginx else None
        for proxy in dict.fromkeys(run.proxy for run in runs):
            these = [run for run in runs if (run.call, run.proxy) == (call, proxy)]
            parts = {part: median(run.cpu_us[part] for run in these) for part in these[0].cpu_us}
            worker = next(iter(parts.values()))
            told = ", ".join(f"{part} {us:.1f}" for part, us in parts.items())
            ratio = f"{worker / base:.2f} / {sum(parts.values()) / base:.2f}" if base else ""
            rate = median(run.load.answered / run.load.seconds for run in these)
            rows.append(f"| {call} | {proxy} | {worker:.1f} | {told} | {ratio} | {rate:.0f} |")
    return f"{machine.description()}\n\n" + "\n".join(rows) + "\n"

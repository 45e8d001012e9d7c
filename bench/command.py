"""The command line of the benchmark, and the order of its measurements."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import product
from pathlib import Path

import msgspec

from bench import c_programs, calls, machine, report, system_packages
from bench.calls import CALLS, LOAD_CONNECTIONS, PROGRESS, TEXT, USUAL_CALLS, Call
from bench.measurements import loop_iterations, metering, profiling, streams
from bench.measurements.loop_iterations import LoopIterations
from bench.measurements.runs import LoadRunner, Run
from bench.neighbour import Neighbour, start_neighbour
from bench.proxies import baselines
from bench.proxies.gateway import FAST_PATH_OFF, RESTRICTED_KEYS, gateway
from bench.proxies.processes import BenchError
from bench.proxies.proxy import Proxy
from bench.results import Results

VARIANTS = (*RESTRICTED_KEYS, "fast-path-off")
"""Variants of the gateway, measured for the usual calls only."""
PROXIES = ("direct", "nginx", "bare", "plain", "gateway", *VARIANTS)
MEASURES = (*(call.name for call in CALLS), "first-event", "idle-streams", "longest-iteration", "metering")
_ITERATION_CALLS = 30
"""Calls of which the longest iteration of the event loop is measured, one by one."""
_UNDER_TEST = "gateway"
_PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"


class Options(argparse.Namespace):
    """The command-line options."""

    only: list[str]
    proxies: list[str]
    seconds: float
    rounds: int
    busy: bool
    json: Path | None
    document: bool
    profile: bool

    @property
    def calls(self) -> list[Call]:
        return [call for call in CALLS if call.name in self.only]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurements and print the tables; return exit code 1 if a count is wrong or a program is missing."""
    options = _parser().parse_args(arguments, Options())
    # Exit by an exception, so that the started processes are stopped.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        system_packages.require(("gcc", *(("nginx",) if "nginx" in options.proxies else ())))
        machine.allow_open_files(streams.OPEN_FILES)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            results = _measure(options, Path(folder))
    except (BenchError, machine.TooFewCoresError, system_packages.MissingProgramError) as failure:
        sys.stderr.write(f"bench: {failure}\n")
        return 1
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    tables = report.markdown(results)
    if options.document:
        _PAGE.write_text(report.replace_tables(_PAGE.read_text(), tables))
    sys.stdout.write(tables)
    return 0


def _measure(options: Options, folder: Path) -> Results:
    cores = machine.two_cores()
    c_programs.compile_into(folder)
    calls.write_results(folder)
    results = Results(machine.description())
    with contextlib.ExitStack() as stack:
        port, pid = stack.enter_context(baselines.upstream(folder, cores[1]))
        neighbours = [None, stack.enter_context(start_neighbour(folder, cores))] if options.busy else [None]
        running = stack.enter_context(_running(folder, port, pid, cores, options.proxies))
        runner = LoadRunner(folder, cores[1])
        if "metering" in options.only:
            results.metering_us = metering.structured_us()
            results.slowest_inputs += metering.slowest_inputs()
        if "idle-streams" in options.only:
            results.streams += [streams.measure(proxy) for proxy in running if proxy.name not in ("direct", *VARIANTS)]
        for call in options.calls:
            results.runs += _measure_call(runner, running, call, (LOAD_CONNECTIONS, 1), options, neighbours)
        if "first-event" in options.only:
            results.runs += _measure_call(runner, running, PROGRESS, (1,), options, neighbours)
        if options.profile:
            _print_profiles(runner, running, options, folder)
    with baselines.upstream(folder, cores[1]) as (port, _):
        if "longest-iteration" in options.only and _UNDER_TEST in options.proxies:
            results.loop_iterations += _longest_iterations(folder, port, cores)
    return results


def _measure_call(
    runner: LoadRunner,
    running: Sequence[Proxy],
    call: Call,
    connection_counts: Sequence[int],
    options: Options,
    neighbours: Sequence[Neighbour | None],
) -> Iterator[Run]:
    measured = [proxy for proxy in running if call in USUAL_CALLS or proxy.name not in VARIANTS]
    for proxy in measured:
        runner.warm_up(proxy, call, connection_counts[0])
    for round_ in range(options.rounds):
        for proxy, connections, neighbour in product(measured, connection_counts, neighbours):
            run = runner.run(proxy, call, round_, connections, options.seconds, neighbour)
            sys.stderr.write(f"{report.progress_line(run)}\n")
            yield run


def _print_profiles(runner: LoadRunner, running: Sequence[Proxy], options: Options, folder: Path) -> None:
    for call in options.calls:
        for proxy in running:
            if proxy.name in (_UNDER_TEST, "plain"):
                load = partial(runner.load, proxy, call, LOAD_CONNECTIONS, options.seconds)
                table = profiling.profile(proxy.processes["worker"], options.seconds, folder, load)
                sys.stdout.write(f"{proxy.name}, {call.name}, {LOAD_CONNECTIONS} connections\n{table}\n")


def _longest_iterations(folder: Path, upstream_port: int, cores: tuple[int, int]) -> Iterator[LoopIterations]:
    with (
        loop_iterations.longest_iteration(folder) as (longest, environment),
        gateway(folder / "gateway-measured", upstream_port, cores, environment) as proxy,
    ):
        runner = LoadRunner(folder, cores[1])
        for call in (*CALLS, TEXT):
            runner.warm_up(proxy, call, 1)
            # A load of zero seconds makes one call.
            one_call = partial(runner.load, proxy, call, 1, 0)
            yield loop_iterations.summarize(call.name, [longest.during(one_call) for _ in range(_ITERATION_CALLS)])


@contextlib.contextmanager
def _running(folder: Path, port: int, pid: int, cores: tuple[int, int], names: Sequence[str]) -> Iterator[list[Proxy]]:
    start: dict[str, Callable[[], AbstractContextManager[Proxy]]] = {
        "direct": lambda: baselines.direct(port, pid),
        "nginx": lambda: baselines.nginx(folder, port, cores[0]),
        "bare": lambda: baselines.python_proxy("bare", folder, port, cores[0]),
        "plain": lambda: baselines.python_proxy("plain", folder, port, cores[0]),
        "fast-path-off": lambda: gateway(folder / "general", port, cores, FAST_PATH_OFF, "fast-path-off"),
    }
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(start[name]()) for name in start if name in names}
        if {_UNDER_TEST, *RESTRICTED_KEYS} & set(names):
            running[_UNDER_TEST] = under_test = stack.enter_context(gateway(folder / "gateway", port, cores))
            running |= {name: under_test.with_new_key(name, RESTRICTED_KEYS[name]) for name in RESTRICTED_KEYS}
        yield [running[name] for name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Benchmark the gateway against nginx, two Python proxies, and no proxy.",
        epilog='With make: make bench BENCH="--only 1kb-json --proxies nginx,gateway"',
    )
    _add_list(parser, "only", MEASURES, "measurements to run")
    _add_list(parser, "proxies", PROXIES, "proxies to measure")
    parser.add_argument("--seconds", type=float, default=1, help="duration of each run (default: 1)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="runs of each measurement, of which the median counts (default: 5)"
    )
    parser.add_argument(
        "--busy", action="store_true", help="run each measurement also with a neighbour that thrashes the caches"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results of every run to FILE")
    parser.add_argument("--document", action="store_true", help="update the tables in docs/explanation/performance.md")
    parser.add_argument("--profile", action="store_true", help="also profile the worker with py-spy")
    return parser


def _add_list(parser: argparse.ArgumentParser, name: str, known: Sequence[str], what: str) -> None:
    def parse_names(text: str) -> list[str]:
        names = text.split(",")
        unknown = [each for each in names if each not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return names

    help_text = f"{what}, of {', '.join(known)} (default: all)"
    parser.add_argument(f"--{name}", type=parse_names, default=list(known), metavar="A,B", help=help_text)

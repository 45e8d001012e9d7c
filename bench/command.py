"""The command line of the bench: what is measured, in which order."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import msgspec

from bench import calls, machine, metering, profiling, proxies, report, streams, system_packages, tools, turns
from bench.calls import CALLS, MANY, PROGRESS, TEXT, Call
from bench.proxies import BenchError, Proxy
from bench.results import Results
from bench.runs import Bench
from bench.turns import Turns

PROXIES = ("direct", "nginx", "plain", "gateway")
MEASURES = (*(call.name for call in CALLS), "first-event", "idle-streams", "longest-turn", "metering")
_TURNS_OF = 30
_UNDER_TEST = "gateway"
_PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"


class Options(argparse.Namespace):
    """What was asked for."""

    only: list[str]
    proxies: list[str]
    seconds: float
    rounds: int
    json: Path | None
    document: bool
    profile: bool

    @property
    def calls(self) -> list[Call]:
        return [call for call in CALLS if call.name in self.only]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and return the exit code: 1 where a count was wrong or something is missing."""
    options = _parser().parse_args(arguments, Options())
    # So that what was started is ended too.
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
        _PAGE.write_text(report.renewed(_PAGE.read_text(), tables))
    sys.stdout.write(tables)
    return 0


def _measure(options: Options, folder: Path) -> Results:
    cores = machine.two_cores()
    tools.compile_into(folder)
    calls.write_results(folder)
    results = Results(machine.description())
    with contextlib.ExitStack() as stack:
        port, pid = stack.enter_context(proxies.upstream(folder, cores[1]))
        running = stack.enter_context(_running(folder, port, pid, cores, options.proxies))
        bench = Bench(folder, cores[1])
        if "metering" in options.only:
            results.metering_us = metering.declared_us()
        if "idle-streams" in options.only:
            results.streams += [streams.measure(proxy) for proxy in running if proxy.name != "direct"]
        for call in options.calls:
            _measure_call(bench, running, call, (MANY, 1), options, results)
        if "first-event" in options.only:
            _measure_call(bench, running, PROGRESS, (1,), options, results)
        if options.profile:
            _print_profiles(bench, running, options, folder)
    with proxies.upstream(folder, cores[1]) as (port, _):
        if "longest-turn" in options.only and _UNDER_TEST in options.proxies:
            results.turns += _longest_turns(folder, port, cores)
    return results


def _measure_call(
    bench: Bench, running: Sequence[Proxy], call: Call, many: Sequence[int], options: Options, results: Results
) -> None:
    for proxy in running:
        bench.warm_up(proxy, call, many[0])
    for round_ in range(options.rounds):
        for proxy in running:
            for connections in many:
                run = bench.run(proxy, call, round_, connections, options.seconds)
                results.runs.append(run)
                sys.stderr.write(f"{report.line(run)}\n")


def _print_profiles(bench: Bench, running: Sequence[Proxy], options: Options, folder: Path) -> None:
    for call in options.calls:
        for proxy in running:
            if proxy.name in (_UNDER_TEST, "plain"):
                load = partial(bench.load, proxy, call, MANY, options.seconds)
                table = profiling.profile(proxy.parts["worker"], options.seconds, folder, load)
                sys.stdout.write(f"{proxy.name}, {call.name}, {MANY} connections\n{table}\n")


def _longest_turns(folder: Path, upstream_port: int, cores: tuple[int, int]) -> Iterator[Turns]:
    with (
        turns.longest_turn(folder) as (longest, environment),
        proxies.gateway(folder / "gateway-measured", upstream_port, cores, environment) as proxy,
    ):
        bench = Bench(folder, cores[1])
        for call in (*CALLS, TEXT):
            bench.warm_up(proxy, call, 1)
            # A load whose time is over at once makes one call.
            one = partial(bench.load, proxy, call, 1, 0)
            yield turns.summary(call.name, [longest.during(one) for _ in range(_TURNS_OF)])


@contextlib.contextmanager
def _running(folder: Path, port: int, pid: int, cores: tuple[int, int], names: Sequence[str]) -> Iterator[list[Proxy]]:
    start: dict[str, Callable[[], AbstractContextManager[Proxy]]] = {
        "direct": lambda: proxies.direct(port, pid),
        "nginx": lambda: proxies.nginx(folder, port, cores),
        "plain": lambda: proxies.plain(folder, port, cores),
        "gateway": lambda: proxies.gateway(folder / "gateway", port, cores),
    }
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(start[name]()) for name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the gateway next to nginx, a plain aiohttp proxy, and no proxy at all.",
        epilog='With make: make bench BENCH="--only 1kb-json --proxies nginx,gateway"',
    )
    _add_list(parser, "only", MEASURES, "what to measure")
    _add_list(parser, "proxies", PROXIES, "which proxies")
    parser.add_argument("--seconds", type=float, default=1, help="of each run (default: 1)")
    parser.add_argument("--rounds", type=int, default=7, help="how often; the median counts (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single run there")
    parser.add_argument("--document", action="store_true", help="put the tables into docs/explanation/performance.md")
    parser.add_argument("--profile", action="store_true", help="show too where the time goes, by py-spy")
    return parser


def _add_list(parser: argparse.ArgumentParser, name: str, known: Sequence[str], what: str) -> None:
    def some(text: str) -> list[str]:
        names = text.split(",")
        unknown = [each for each in names if each not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
        return names

    told = f"{what}, of {', '.join(known)} (default: all)"
    parser.add_argument(f"--{name}", type=some, default=list(known), metavar="A,B", help=told)

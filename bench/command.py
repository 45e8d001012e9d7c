"""The command line of the bench."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench import calls, machine, proxies, report, tools
from bench.calls import CALLS, PROGRESS, Call
from bench.proxies import BenchError, Proxy
from bench.runs import Bench, Run

PROXIES = ("direct", "nginx", "gateway")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and return the exit code: 1 where a count was wrong or something is missing."""
    options = _parser().parse_args(arguments)
    try:
        tools.require(("gcc", *(("nginx",) if "nginx" in options.proxies else ())))
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            runs = _measure(options, Path(folder))
    except (BenchError, machine.TooFewCoresError, tools.MissingToolError) as failure:
        sys.stderr.write(f"bench: {failure}\n")
        return 1
    sys.stdout.write(report.markdown(runs))
    return 0


def _measure(options: argparse.Namespace, folder: Path) -> list[Run]:
    cores = machine.two_cores()
    tools.compile_into(folder)
    calls.write_results(folder)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(_running(folder, options.proxies, cores))
        bench = Bench(folder, cores[1])
        runs = []
        for call in options.only:
            for proxy in running:
                bench.load(proxy, call, 64, 0.3)
            for _ in range(options.rounds):
                for proxy in running:
                    run = bench.run(proxy, call, 64, options.seconds)
                    sys.stderr.write(f"{report.line(run)}\n")
                    runs.append(run)
        return runs


@contextlib.contextmanager
def _running(folder: Path, names: Sequence[str], cores: tuple[int, int]) -> Iterator[list[Proxy]]:
    with contextlib.ExitStack() as stack:
        port, log = proxies.free_port(), folder / "upstream.log"
        command = [folder / "upstream", str(port), folder, *(call.name for call in (*CALLS, PROGRESS))]
        upstream = stack.enter_context(proxies.process(command, cores[1], log))
        proxies.until_listening(port, upstream, log)
        start: dict[str, Callable[[], AbstractContextManager[Proxy]]] = {
            "direct": lambda: proxies.direct(port, upstream.pid),
            "nginx": lambda: proxies.nginx(folder, port, cores),
            "gateway": lambda: proxies.gateway(folder, port, cores),
        }
        yield [stack.enter_context(start[name]()) for name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", type=_calls, default=list(CALLS), metavar="CALL,…", help="which results")
    parser.add_argument("--proxies", type=_proxies, default=list(PROXIES), metavar="PROXY,…", help="which proxies")
    parser.add_argument("--seconds", type=float, default=3, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is made; the median counts")
    return parser


def _calls(text: str) -> list[Call]:
    known = {call.name: call for call in CALLS}
    return [known[name] for name in _among(text, known)]


def _proxies(text: str) -> list[str]:
    return _among(text, PROXIES)


def _among(text: str, known: Sequence[str] | dict[str, Call]) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
    return names

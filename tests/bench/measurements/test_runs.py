"""The load generator and its counts, against a running gateway and against a server with wrong responses."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import c_programs, calls, machine
from bench.calls import CALLS, PROGRESS, USUAL_CALLS
from bench.measurements.runs import LoadRunner
from bench.proxies import baselines
from bench.proxies.gateway import RESTRICTED_KEYS, gateway
from bench.proxies.processes import BenchError
from bench.proxies.proxy import Proxy

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's tmp_path: a unix socket's path must stay under 108 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        c_programs.compile_into(Path(name))
        calls.write_results(Path(name))
        yield Path(name)


def test_the_calls_of_all_keys_are_counted_and_a_missing_one_is_reported(folder: Path) -> None:
    proxy_core, core = machine.two_cores()
    runner = LoadRunner(folder, core)
    with (
        baselines.upstream(folder, core) as (port, _),
        gateway(folder / "gateway", port, (proxy_core, core)) as unrestricted,
    ):
        runs = [runner.run(unrestricted, call, 0, 4, 0.1) for call in (*CALLS, PROGRESS)]
        for name, restrictions in RESTRICTED_KEYS.items():
            proxy = unrestricted.with_new_key(name, restrictions)
            runs += (runner.run(proxy, call, 0, 4, 0.1) for call in USUAL_CALLS)
        answered = sum(run.load.answered for run in runs)
        unrestricted.usage.verify()
        unrestricted.usage.add(1, 0)
        with pytest.raises(BenchError, match=f"has {answered} calls .* there were {answered + 1} "):
            unrestricted.usage.verify()
        assert all(us > 0 for run in runs for us in run.cpu_us.values())


def test_a_bare_proxy_forwards_all_calls_unchanged(folder: Path) -> None:
    proxy_core, core = machine.two_cores()
    with (
        baselines.upstream(folder, core) as (port, _),
        baselines.python_proxy("bare", folder, port, proxy_core) as proxy,
    ):
        for call in (*CALLS, PROGRESS):
            assert LoadRunner(folder, core).load(proxy, call, 4, 0.1).answered


def test_a_response_with_another_id_is_an_error(folder: Path) -> None:
    with serving(b'{"jsonrpc":"2.0","id":1,"result":{}}') as port, pytest.raises(BenchError, match="id"):
        LoadRunner(folder, machine.two_cores()[1]).load(Proxy("wrong", port, {}), CALLS[0], 1, 0.1)


def test_an_error_status_is_an_error(folder: Path) -> None:
    with serving(b"{}", status=503) as port, pytest.raises(BenchError, match="503"):
        LoadRunner(folder, machine.two_cores()[1]).load(Proxy("rejecting", port, {}), CALLS[0], 1, 0.1)


@contextlib.contextmanager
def serving(body: bytes, status: int = 200) -> Iterator[int]:
    """Run a server that sends the same response to every POST."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Metrics: labels stay few whatever clients send, and all processes are summed up."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from gateway.observability import metrics
from gateway.proxy.metrics_sink import ProxyMetricsSink

CHILD = """
import sys
from gateway.observability import metrics
proxy = metrics.ProxyMetrics()
proxy.answered("POST", 200, "forwarded", 0.01)
proxy.upstream_failed("connect")
proxy.streams_opened(2)
proxy.key_looked_up("hit")
proxy.write()
usage = metrics.UsageMetrics()
usage.appended(3); usage.stream_length(7, 100); usage.spooled(1); usage.spool_size(10); usage.resent(1)
usage.spool_torn(1); usage.spool_damaged(1); usage.refused(1); usage.inserted(5, 0.1); usage.dead_lettered(1)
usage.write(); usage.clickhouse_connected(True); usage.waiting(8, 1500)
sys.stdout.write("counted\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def start(directory: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"counted\n"
    return child


def stop(child: subprocess.Popen[bytes]) -> None:
    child.communicate(b"", timeout=30)


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        return str(response.read().decode())


def test_processes_are_summed_up_and_gauges_of_exited_ones_are_dropped(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "metrics").mkdir()
    children = [start(tmp_path / "metrics") for _ in range(2)]
    stop_serving = metrics.serve_metrics("127.0.0.1", free_port, tmp_path / "metrics")
    text = page(free_port)
    requests = 'mcp_gateway_requests_total{method="POST",reason="forwarded",status="200"}'
    assert f"{requests} 2.0" in text
    assert "mcp_gateway_open_streams 4.0" in text
    assert 'mcp_gateway_usage_events_total{step="appended"} 6.0' in text
    assert "mcp_gateway_usage_stream_entries 8.0" in text
    assert "mcp_gateway_usage_waiting_seconds 1.5" in text
    assert "mcp_gateway_clickhouse_up 1.0" in text
    stop(children[0])
    metrics.forget_process(children[0].pid, tmp_path / "metrics")
    text = page(free_port)
    assert f"{requests} 2.0" in text
    assert "mcp_gateway_open_streams 2.0" in text
    stop(children[1])
    stop_serving()


def test_a_port_in_use_raises(tmp_path: Path, free_port: int) -> None:
    stop_serving = metrics.serve_metrics("127.0.0.1", free_port, tmp_path)
    with pytest.raises(OSError, match="in use"):
        metrics.serve_metrics("127.0.0.1", free_port, tmp_path)
    stop_serving()


def test_the_number_of_label_values_is_bounded() -> None:
    sink: ProxyMetricsSink = metrics.ProxyMetrics()
    for number in range(1000):
        sink.answered(f"X{number}", number + 600, f"word_{number}", 0.1)
        sink.answered("POST", 200, f"sk-{number} not a word", 0.1)
        sink.upstream_failed(f"phase_{number}")
    sink.write()
    counts = {metric.name: metric.samples for metric in REGISTRY.collect()}
    assert len(counts["mcp_gateway_requests"]) <= 4 * (metrics.MAX_LABEL_VALUES + 2)
    assert len(counts["mcp_gateway_upstream_errors"]) <= 2 * (metrics.MAX_LABEL_VALUES + 1)
    labels = {sample.labels["method"] for sample in counts["mcp_gateway_requests"]}
    assert labels <= {"POST", "GET", "DELETE", "HEAD", "OPTIONS", "other"}
    assert not [s for s in counts["mcp_gateway_requests"] if "sk-" in s.labels["reason"]]

# ruff: noqa: E501 - the cases are read better in one line each
"""Lines of logs are records, also those that report errors."""

from __future__ import annotations

import pytest

from tests.metering.support import records, texts


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("query_logs", "2024-01-02T10:00:00Z INFO started\n2024-01-02T10:00:01Z ERROR failed to open\n2024-01-02T10:00:02Z INFO stopped", 3),
        ("get_logs", "2024-01-02 10:00:00,123 [main] INFO  a.b - started\n2024-01-02 10:00:01,456 [main] ERROR a.b - failed\njava.io.IOException: x\n\tat a.b.C(D.java:5)\n2024-01-02 10:00:02,000 [main] INFO  a.b - stopped", 3),
        ("tail_log", "[2024-01-02 10:00:00] started\n[2024-01-02 10:00:01] Error: x", 2),
        ("tail_log", "Jan  2 10:00:00 host sshd[12]: Accepted\nJan  2 10:00:01 host sshd[12]: Closed", 2),
        ("tail_log", "127.0.0.1 - - [02/Jan/2024:10:00:00 +0000] \"GET / HTTP/1.1\" 200 12\n127.0.0.1 - - [02/Jan/2024:10:00:01 +0000] \"GET /x HTTP/1.1\" 404 12", 2),
        ("tail_log", "10:00:00 INFO started\n10:00:01 INFO stopped", 2),
        ("get_logs", "Showing 2 log lines:\n\n2024-01-02T10:00:00Z INFO started\n2024-01-02T10:00:01Z ERROR x", 2),
        ("read_note", "2024-01-02 We met.\nThe weather was fine.", None),
        ("search_logs", "[ERROR] 2024-01-02 disk full\n[WARN] 2024-01-02 disk nearly full", 2),
        ("search_logs", "ERROR: disk full\nERROR: disk full again\nWARN: disk nearly full", 3),
        ("search_logs", "ERROR 2024-01-02 10:00:00 disk full\nINFO 2024-01-02 10:00:01 ok", 2),
        ("get_pod_output", "I0101 10:00:00.123456 1 main.go:10] up\nE0101 10:00:01.123456 1 main.go:20] down", 2),
        ("dmesg", "[    0.000000] Linux version 6.1\n[    1.200000] usb 1-1: new device", 2),
        ("read_output", "I, [2026-01-01T10:00:00.1 #1]  INFO -- : up\nE, [2026-01-01T10:00:01.1 #1] ERROR -- : down", 2),
        ("read_output", "01-01 10:00:00.123  1000  1000 D Tag: up\n01-01 10:00:01.123  1000  1000 E Tag: down", 2),
        ("read_output", "INFO:root:up\nERROR:root:down", 2),
        ("read_output", "[007] ERROR: seam 7 open\n[027] ERROR: seam 27 open", 2),
        ("read_output", "[1] first note\n[2] second note", None),
    ],
)  # fmt: skip
def test_the_lines_of_a_log_are_counted(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected

"""Logging: one line per record, and no secret in any part of it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web

from gateway.keys.secret import ApiKey
from gateway.observability import logs

KEY = ApiKey.generate(lambda size: bytes(range(7, 7 + size))).text
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGFAZXhhbXBsZS5jb20ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configured() -> Iterator[Configure]:
    """A function that configures logging as a process does and returns its output; undone after the test."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    levels = {name: logging.getLogger(name).level for name in logs.PROJECT_LOGGERS}

    def configure(level: str = "debug", fmt: str = "json") -> io.StringIO:
        written = io.StringIO()
        logs.configure(level, fmt, stream=written)
        return written

    yield configure
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)


log = logging.getLogger("gateway.test")


def test_json_format_is_one_object_per_line(configured: Configure) -> None:
    written = configured()
    log.warning("slow %s\nsecond line", "upstream", extra={"seconds": 1.5, "phase": "connect", "nothing": None})
    [line] = written.getvalue().splitlines()
    record = json.loads(line)
    assert record["level"] == "warning"
    assert record["logger"] == "gateway.test"
    assert record["message"] == "slow upstream\\nsecond line"
    assert (record["seconds"], record["phase"], record["nothing"]) == (1.5, "connect", None)
    assert record["time"].endswith("Z")


def test_text_format_appends_names_and_values(configured: Configure) -> None:
    written = configured(fmt="text")
    log.info("ready", extra={"port": 8001, "path": "a b"})
    assert written.getvalue().endswith(' INFO    gateway.test: ready port=8001 path="a b"\n')


def test_the_default_format_is_json_unless_on_a_terminal(configured: Configure) -> None:
    written = configured(fmt="auto")
    log.info("ready")
    assert json.loads(written.getvalue())["message"] == "ready"


def test_the_level_applies_to_the_loggers_of_the_project_only(configured: Configure) -> None:
    written = configured("debug")
    logging.getLogger("asyncio").info("library message")
    log.debug("ours")
    assert "library message" not in written.getvalue()
    assert "ours" in written.getvalue()
    written = configured("error")
    log.warning("ours")
    logging.getLogger("asyncio").warning("theirs")
    assert written.getvalue() == ""


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"key={KEY}",
        f"%20{KEY}",
        f"b'Authorization: Bearer {KEY}'",
        f"Authorization: Bearer {KEY[:20]}",
        "authorization: hunter2",
        "{'Authorization': 'hunter2'}",
        '{"authorization":"Basic aHVudGVyMg=="}',
        "Cookie: a=hunter2",
        f"Bearer {JWT}",
        f"token {JWT}.",
        "redis://:hunter2@host:6379/0",
        "http://user:hunter2@ch:8123/db",
        '{"password": "hunter2"}',
        "api_key=hunter2",
    ],
)
@pytest.mark.parametrize("fmt", ["text", "json"])
def test_secrets_are_redacted_in_every_part_of_a_record(text: str, fmt: str, configured: Configure) -> None:
    written = configured(fmt=fmt)
    log.warning("message %s", text)
    log.warning("extra", extra={"detail": text, "object": [text]})
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("exception")
    secrets = (KEY[12:], KEY[11:20], "hunter2", "aHVudGVyMg", JWT[:30], JWT[-20:])
    assert not [secret for secret in secrets if secret in written.getvalue()]
    if fmt == "json":
        assert len([json.loads(line) for line in written.getvalue().splitlines()]) == 3


def test_ordinary_words_are_not_redacted(configured: Configure) -> None:
    written = configured()
    message = "GATEWAY_UPSTREAM_AUTHORIZATION is set; risk-assessment of task-management-system, key sk-AbCdEfGh"
    log.info(message)
    assert json.loads(written.getvalue())["message"] == message


def test_a_value_cannot_forge_a_line(configured: Configure) -> None:
    written = configured(fmt="text")
    log.info("user %s", "a\n2026-01-01 INFO gateway: all is well\x1b[2J\x85\u2028\ud800")
    [line] = written.getvalue().splitlines()
    assert "\x1b" not in line


def test_a_huge_text_is_truncated(configured: Configure) -> None:
    written = configured()
    log.info("%s", "x" * 1_000_000)
    assert len(written.getvalue()) < 10_000


def test_bad_arguments_and_a_closed_stream_neither_raise_nor_print(
    configured: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    written = configured()
    log.info("%d", KEY)
    assert json.loads(written.getvalue())["message"] == "%d"
    written.close()
    log.info("message", extra={"detail": KEY})
    assert capsys.readouterr().err == ""


def test_an_uncaught_exception_is_redacted(configured: Configure) -> None:
    written = configured()
    error = RuntimeError(KEY)
    sys.excepthook(RuntimeError, error, None)
    record = json.loads(written.getvalue())
    assert record["level"] == "critical"
    assert KEY[11:] not in record["exception"]


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization : Bearer {KEY}",
        f"Auth\x01orization: {KEY[3:]}",
        f"Authorization: hunter2{KEY[3:]}\x00",
    ],
)
async def test_a_malformed_request_is_logged_without_its_bytes(line: str, configured: Configure) -> None:
    written = configured()

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode("latin-1"))
    assert (await reader.readline()).startswith(b"HTTP/1.0 400")
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()
    [record] = [json.loads(text) for text in written.getvalue().splitlines()]
    assert record["message"] == "rejected a request that is not valid HTTP"
    assert KEY[3:] not in written.getvalue()

"""Logs: one line a record, and no secret whatever is logged."""

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
    """Configures logging as a process does, into a text; put back afterwards."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    levels = {name: logging.getLogger(name).level for name in logs.OWN_LOGGERS}

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


def test_json_is_one_object_a_line(configured: Configure) -> None:
    written = configured()
    log.warning("slow %s\nsecond line", "upstream", extra={"seconds": 1.5, "phase": "connect", "nothing": None})
    [line] = written.getvalue().splitlines()
    record = json.loads(line)
    assert record["level"] == "warning"
    assert record["logger"] == "gateway.test"
    assert record["message"] == "slow upstream\\nsecond line"
    assert (record["seconds"], record["phase"], record["nothing"]) == (1.5, "connect", None)
    assert record["time"].endswith("Z")


def test_text_is_name_and_value(configured: Configure) -> None:
    written = configured(fmt="text")
    log.info("ready", extra={"port": 8001, "path": "a b"})
    assert written.getvalue().endswith(' INFO    gateway.test: ready port=8001 path="a b"\n')


def test_a_file_or_pipe_gets_json(configured: Configure) -> None:
    written = configured(fmt="auto")
    log.info("ready")
    assert json.loads(written.getvalue())["message"] == "ready"


def test_levels_hold_for_our_own_loggers_alone(configured: Configure) -> None:
    written = configured("debug")
    logging.getLogger("asyncio").info("chatter")
    log.debug("ours")
    assert "chatter" not in written.getvalue()
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
def test_no_secret_is_written_in_any_part_of_a_record(text: str, fmt: str, configured: Configure) -> None:
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


def test_ordinary_words_stay(configured: Configure) -> None:
    written = configured()
    message = "GATEWAY_UPSTREAM_AUTHORIZATION is set; risk-assessment of task-management-system, key sk-AbCdEfGh"
    log.info(message)
    assert json.loads(written.getvalue())["message"] == message


def test_nobody_can_forge_a_line(configured: Configure) -> None:
    written = configured(fmt="text")
    log.info("user %s", "a\n2026-01-01 INFO gateway: all is well\x1b[2J\x85\u2028\ud800")
    [line] = written.getvalue().splitlines()
    assert "\x1b" not in line


def test_a_huge_text_is_cut(configured: Configure) -> None:
    written = configured()
    log.info("%s", "x" * 1_000_000)
    assert len(written.getvalue()) < 10_000


def test_bad_arguments_and_a_closed_stream_raise_nothing_and_show_nothing(
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

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    runner = web.ServerRunner(web.Server(answer))
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
    assert record["message"] == "a request that is no valid HTTP was refused"
    assert KEY[3:] not in written.getvalue()

"""Plays a transcript of one client connection through the proxy, without sockets and Redis.

A transcript shows what the gateway receives (`>>`) and sends (`<<`):

    client   >> call 2
    upstream << call 2
    upstream >> result 2
    usage    << 2 ok
    usage    >> durable
    client   << result 2

`call ID`, `result ID` and `error ID` stand for HTTP messages, `half ID` and `rest ID` for the two parts of a result,
and a number for an error response with this status. `end` is the end of a connection. `limits << check` and `settle`
are questions to Redis about a call and the records of its result; `admit` and `refuse` are the replies.
"""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.keys.limits import limits_of
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.limits.permit import NO_LIMITS, Permit
from gateway.proxy.admission.limits.status import limit_exceeded
from gateway.proxy.admission.rejections import Deny
from gateway.proxy.clock import SYSTEM_CLOCK
from gateway.proxy.config import ProxyConfig
from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.server import ProxyServer
from gateway.proxy.fast_path.fast_path import FastPath
from gateway.proxy.pipeline.handler import Handler
from gateway.proxy.readiness import Readiness, readiness
from gateway.proxy.services import make_services
from gateway.proxy.stores import Stores
from gateway.usage.event import UsageEvent
from gateway.usage.producer.spool import SpoolFull
from tests.support.gateway import RecordingMetrics, call
from tests.support.scripted_upstream import http
from tests.support.wire import request

KEY = ApiKey.generate()
RECORD = KeyRecord(
    key_id="key_1", key_name="k", key_prefix="sk-abc", owner="ann@example.com", created_at=0, records_per_day=9
)
REFUSED = limit_exceeded(limits_of(RECORD)[0], now=0, resets_at=60)


class FakeTransport(asyncio.Transport):
    """Reports what is written to it."""

    def __init__(self, on_write: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        super().__init__()
        self._on_write = on_write
        self._on_end = on_end
        self._is_closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def write(self, data: Any) -> None:
        self._on_write(bytes(data))

    def is_closing(self) -> bool:
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._on_end()

    abort = close


class FakeKeys:
    """A key cache with one key."""

    def cached_record(self, _key: ApiKey) -> KeyRecord:
        return RECORD

    async def authenticate(self, _key: ApiKey) -> KeyRecord:
        return RECORD

    async def get(self, _key_id: str) -> KeyRecord:
        return RECORD

    def record_use(self, _key: ApiKey, _key_id: str, _client: str, _address: str) -> None:
        pass


class FakeLimiter:
    """Admits everything, or asks for each call and for each result."""

    def __init__(self, sent: list[str]) -> None:
        self._sent = sent
        self.asks = False
        self.callbacks: list[Callable[[Permit | Deny], None]] = []

    async def admit(self, _record: KeyRecord, **_named: Any) -> Permit:
        return NO_LIMITS

    def admit_call_now(self, _record: KeyRecord, _tool: str) -> Permit | None:
        return None if self.asks else NO_LIMITS

    def check_call(self, _record: KeyRecord, _tool: str, on_checked: Any, *, is_alone: bool) -> None:
        self._sent.append("limits   << check")
        self.callbacks.append(on_checked)

    async def settle(self, _record: KeyRecord, _records: int) -> None:
        return None

    def settle_now(self, _record: KeyRecord, _records: int) -> bool:
        return not self.asks

    def check_records(self, _record: KeyRecord, _records: int, on_checked: Any, *, is_alone: bool) -> None:
        self._sent.append("limits   << settle")
        self.callbacks.append(on_checked)

    def count_records(self, _key_id: str, _records: int | None) -> None:
        pass

    def reply(self, message: str) -> None:
        permit = Permit(b"RateLimit: x\r\n", give_back=lambda: self._sent.append("limits   << give back"))
        self.callbacks.pop(0)(permit if message == "admit" else REFUSED)


class Player:
    """One client connection, one upstream connection and a usage stream that the transcript controls."""

    def __init__(self, config: ProxyConfig, patch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.metrics = RecordingMetrics()
        self.limiter = FakeLimiter(self.sent)
        self.denials: list[tuple[str, str]] = []
        self._callbacks: list[Callable[[Exception | None], None]] = []
        patch.setattr(asyncio.get_running_loop(), "create_connection", self._connect)
        tools = SimpleNamespace(hints=lambda _tool: None, read_only_hint=lambda _tool: None, refresh=None)
        fakes = dict.fromkeys(Stores.__struct_fields__, cast(Any, None)) | {
            "keys": FakeKeys(),
            "limiter": self.limiter,
            "denials": SimpleNamespace(count=lambda deny, key, tool: self.denials.append((deny.reason, tool))),
            "tools": tools,
            "upstream_watch": SimpleNamespace(refused=None),
            "usage": SimpleNamespace(submit=self._submit, submit_callback=self._submit_callback),
        }
        self.services = make_services(config, SYSTEM_CLOCK, self.metrics, Stores(**fakes))
        handler = Handler(self.services, self._readiness)
        fast_path = FastPath(self.services)
        self._client = ClientConnection(ProxyServer(handler, fast_path, head_timeout=10, keepalive_timeout=75))
        self._client.connection_made(FakeTransport(self._to_client, lambda: self.sent.append("client   << end")))

    async def play(self, transcript: str) -> None:
        """Feed the received messages of a transcript, and compare all that is sent with it."""
        lines = [line.strip() for line in textwrap.dedent(transcript).strip().splitlines()]
        for number, line in enumerate(lines):
            if ">>" in line:
                assert self.sent == [], f"before line {number + 1}"
                await self._receive(*re.split(r" +>> ", line))
            else:
                assert self.sent, f"nothing was sent at line {number + 1}: {line}"
                assert self.sent.pop(0) == line
        assert self.sent == []

    async def _receive(self, peer: str, message: str) -> None:
        kind, _, id_ = message.partition(" ")
        if peer == "client":
            if kind == "end":
                self._client.connection_lost(None)
            else:
                body = json.dumps(call(id_=int(id_))).encode()
                self._client.data_received(request(b"POST /mcp HTTP/1.1", key=KEY.text, body=body))
        elif peer == "upstream":
            if kind == "end":
                self._upstream.connection_lost(None)
            else:
                self._upstream.data_received(_response(kind, int(id_)))
        elif peer == "limits":
            self.limiter.reply(message)
        else:
            self._callbacks.pop(0)(None if message == "durable" else SpoolFull())
        # Tasks of the general path take several turns of the event loop.
        for _ in range(20):
            await asyncio.sleep(0)

    def _to_client(self, data: bytes) -> None:
        status = int(data[9:12])
        id_ = re.search(rb'"id": ?(\d+)', data)
        named = f"{'error' if b'error' in data else 'result'} {id_[1].decode()}" if status == 200 and id_ else status
        self.sent.append(f"client   << {named}")

    def _to_upstream(self, data: bytes) -> None:
        body = json.loads(data.partition(b"\r\n\r\n")[2])
        self.sent.append(f"upstream << call {body['id']}")

    async def _connect(self, factory: Callable[[], Any], *_arguments: Any, **_named: Any) -> None:
        self._upstream = factory()
        self._upstream.connection_made(FakeTransport(self._to_upstream, lambda: self.sent.append("upstream << end")))

    async def _submit(self, event: UsageEvent, **_named: Any) -> None:
        self.sent.append(f"usage    << {event.request_id} {event.status}")
        durable = asyncio.get_running_loop().create_future()
        self._callbacks.append(
            lambda error: durable.set_result(None) if error is None else durable.set_exception(error)
        )
        await durable

    def _submit_callback(
        self, event: UsageEvent, on_durable: Callable[[Exception | None], None], **_named: Any
    ) -> None:
        self.sent.append(f"usage    << {event.request_id} {event.status}")
        self._callbacks.append(on_durable)

    async def _readiness(self) -> Readiness:
        return readiness(redis=True, upstream=True)


def _response(kind: str, id_: int) -> bytes:
    if kind == "error":
        return http(b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"no"}}' % id_)
    raw = http(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[]}}' % id_)
    return raw[:-10] if kind == "half" else raw[-10:] if kind == "rest" else raw

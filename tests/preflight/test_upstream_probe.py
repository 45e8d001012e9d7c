"""The probe of the upstream: each fault of it is told apart, and named with its fix."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.preflight.upstream_probe import Finding, probe, probe_upstream
from tests.support.certificates import make_certificate
from tests.support.mcp_servers import DEMO_WITH_SESSIONS, running_mcp_server
from tests.support.ports import free_port

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A function that runs an HTTP server, and returns the URL of its path /mcp."""
    runners: list[web.ServerRunner] = []

    async def start(handler: Handler, tls: ssl.SSLContext | None = None) -> str:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/mcp"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[[bytes], Awaitable[str]]]:
    """A function that runs a server which answers every connection with these bytes; `b""`: with nothing at all."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(4096)
            writer.write(answer)
            if not answer:
                await reader.read()
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/mcp"

    yield start
    for server in servers:
        server.close()


def always(response: Callable[[], web.Response]) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return response()

    return handle


class McpPeer:
    """An MCP server that records its requests; `results` maps methods to results, others are an error."""

    def __init__(self, results: dict[str, Any], *, session: str | None = None, error_status: int = 200) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._results = results
        self._session = session
        self._error_status = error_status

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        message = json.loads(body) if body else {}
        self.requests.append((request.method, message.get("method", ""), dict(request.headers)))
        if request.method == "DELETE":
            return web.Response()
        headers = {"Mcp-Session-Id": self._session} if self._session else {}
        if message["method"] in self._results:
            result = {"jsonrpc": "2.0", "id": message["id"], "result": self._results[message["method"]]}
            return web.json_response(result, headers=headers)
        error = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}
        return web.json_response(error, status=self._error_status)


INITIALIZED = {"protocolVersion": "2025-06-18", "serverInfo": {"name": "stocks", "version": "1"}, "capabilities": {}}
DISCOVERED = {"supportedVersions": ["2026-07-28"], "serverInfo": {"name": "modern", "version": "1"}}


async def test_a_handshake_is_sent_once_without_a_key_and_its_session_is_ended(serve: Serve) -> None:
    peer = McpPeer({"initialize": INITIALIZED}, session="s1")
    url = await serve(peer.handle)
    assert await probe_upstream(url, None) == Finding("answers: stocks, MCP 2025-06-18")
    assert [(verb, method) for verb, method, _ in peer.requests] == [("POST", "initialize"), ("DELETE", "")]
    assert "Authorization" not in peer.requests[0][2]
    assert peer.requests[0][2]["Host"] == url.split("/")[2]
    assert peer.requests[1][2]["Mcp-Session-Id"] == "s1"


async def test_the_credentials_of_the_gateway_are_sent(serve: Serve) -> None:
    peer = McpPeer({"initialize": INITIALIZED}, session="s1")
    await probe_upstream(await serve(peer.handle), "Bearer ours")
    assert [headers["Authorization"] for _, _, headers in peer.requests] == ["Bearer ours"] * 2


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_a_server_without_the_old_handshake_is_asked_with_the_new_one(serve: Serve, status: int) -> None:
    peer = McpPeer({"server/discover": DISCOVERED}, error_status=status)
    assert await probe_upstream(await serve(peer.handle), None) == Finding("answers: modern, MCP 2026-07-28")
    assert [method for _, method, _ in peer.requests] == ["initialize", "server/discover"]
    headers = peer.requests[1][2]
    assert (headers["MCP-Protocol-Version"], headers["Mcp-Method"]) == ("2026-07-28", "server/discover")


async def test_a_server_that_takes_neither_handshake_is_named_with_its_reason(serve: Serve) -> None:
    finding = await probe_upstream(await serve(McpPeer({}).handle), None)
    assert finding.text == "does not accept the handshake (Method not found)"
    assert finding.fix


async def test_a_server_with_the_http_sse_transport_is_recognized(serve: Serve) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET":
            return web.Response(status=405)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\r\n\r\nevent: endpoint\r\ndata: /messages?id=1\r\n\r\n")
        await asyncio.Event().wait()
        return response

    assert (
        await probe_upstream(await serve(handle), None)
    ).text == "answers with the HTTP+SSE transport, MCP 2024-11-05"


async def test_a_server_of_the_official_sdk_is_well() -> None:
    with running_mcp_server(*DEMO_WITH_SESSIONS) as server:
        assert (await probe_upstream(server.url, None)).is_ok
        finding = await probe_upstream(server.url + "/", None)
        assert finding.text == f"redirects to {server.url} (status 307)"
        assert (await probe_upstream(server.url.replace("/mcp", "/other"), None)).text.startswith("has no MCP endpoint")


def _json_rpc_error(text: str, status: int) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": text}}, status=status)


@pytest.mark.parametrize(
    ("response", "text", "fix"),
    [
        (lambda: web.Response(status=404), "has no MCP endpoint at /mcp (status 404)", "check the path"),
        (lambda: web.Response(status=405), "has no MCP endpoint at /mcp (status 405)", "check the path"),
        (
            lambda: web.Response(status=302, headers={"Location": "https://login.example.com/?next=mcp"}),
            "redirects to https://login.example.com/?next=mcp (status 302)",
            "set GATEWAY_UPSTREAM_URL to https://login.example.com/?next=mcp",
        ),
        (lambda: web.Response(status=401), "asks for credentials of its own (status 401)", "UPSTREAM_AUTHORIZATION"),
        (lambda: web.Response(status=403), "asks for credentials of its own (status 403)", "UPSTREAM_AUTHORIZATION"),
        (lambda: web.Response(status=407), "asks for credentials of its own (status 407)", "UPSTREAM_AUTHORIZATION"),
        (lambda: web.Response(status=421, text="Invalid Host header"), "refuses the Host 127.0.0.1:", "allow this"),
        (lambda: _json_rpc_error("Invalid Host: 127.0.0.1", 403), "refuses the Host 127.0.0.1:", "allow this name"),
        (lambda: web.Response(status=400, text="Invalid HTTP_HOST header"), "refuses the Host", "allow this name"),
        (
            lambda: web.Response(text="<!doctype html><h1>Welcome</h1>", content_type="text/html"),
            "answers with HTML, a web page, instead of JSON-RPC",
            "is an MCP endpoint",
        ),
        (lambda: web.Response(text="\n<html>"), "answers with HTML", "is an MCP endpoint"),
        (lambda: web.Response(text="OK"), "answers with text/plain", "is an MCP endpoint"),
        (lambda: web.Response(), "instead of JSON-RPC", "is an MCP endpoint"),
        (lambda: web.json_response({"hello": "world"}), "answers with application/json", "is an MCP endpoint"),
        (lambda: web.Response(status=503), "answers with status 503", "check the log of the server"),
        (lambda: web.Response(status=429), "does not accept the handshake (status 429)", "is an MCP endpoint"),
    ],
)  # fmt: skip
async def test_a_wrong_answer_is_named_with_its_fix(
    serve: Serve, response: Callable[[], web.Response], text: str, fix: str
) -> None:
    finding = await probe_upstream(await serve(always(response)), None)
    assert text in finding.text
    assert fix in finding.fix
    assert finding.is_reachable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_its_target_is_named_as_a_whole_url(serve: Serve, status: int) -> None:
    asked: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/mcp/"})

    url = await serve(handle)
    finding = await probe_upstream(url, None)
    assert (finding.text, finding.fix) == (
        f"redirects to {url}/ (status {status})",
        f"set GATEWAY_UPSTREAM_URL to {url}/",
    )
    assert asked == ["/mcp"]


async def test_refused_credentials_are_told_from_missing_ones(serve: Serve) -> None:
    url = await serve(always(lambda: web.Response(status=401)))
    assert (await probe_upstream(url, None)).needs_credentials
    finding = await probe_upstream(url, "Bearer hunter2")
    assert finding.text == "refuses the credentials in GATEWAY_UPSTREAM_AUTHORIZATION (status 401)"
    assert not finding.needs_credentials
    assert "hunter2" not in str(finding)


async def test_a_port_on_which_nothing_listens_is_not_reachable() -> None:
    finding = await probe_upstream(f"http://127.0.0.1:{free_port()}/mcp", None)
    assert (finding.is_reachable, finding.fix) == (False, "start it, or see GATEWAY_UPSTREAM_URL")
    assert finding.text.startswith("cannot be reached (")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".example"])
async def test_a_name_that_does_not_resolve_is_named(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    finding = await probe_upstream(f"http://{host}:9000/mcp", None)
    assert finding.text == f"cannot be reached: the name {host} does not resolve"
    assert not finding.is_reachable


async def test_a_server_that_hangs_is_named(
    raw_server: Callable[[bytes], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "TIMEOUT", 0.2)
    finding = await probe_upstream(await raw_server(b""), None)
    assert finding == Finding("accepts connections but does not answer in time", "check the log of the server")


async def test_a_stream_that_never_has_a_message_is_a_server_that_hangs_and_its_session_is_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "TIMEOUT", 0.2)
    ended: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "DELETE":
            ended.append(request.headers["Mcp-Session-Id"])
            return web.Response()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Mcp-Session-Id": "s1"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        await asyncio.Event().wait()
        return response

    finding = await probe_upstream(await serve(handle), None)
    assert finding.text == "accepts connections but does not answer in time"
    assert ended == ["s1"]


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"+PONG\r\n"])
async def test_another_protocol_is_named(raw_server: Callable[[bytes], Awaitable[str]], answer: bytes) -> None:
    finding = await probe_upstream(await raw_server(answer), None)
    assert finding.text == "does not answer with HTTP"
    assert "write https://" in finding.fix


async def test_a_certificate_that_is_not_trusted_is_named(serve: Serve, tmp_path: Path) -> None:
    _, tls = make_certificate(tmp_path, "127.0.0.1")
    finding = await probe_upstream(await serve(McpPeer({"initialize": INITIALIZED}).handle, tls), None)
    assert finding.text.startswith("has a certificate that is not trusted (")
    assert "SSL_CERT_FILE" in finding.fix


async def test_a_certificate_for_another_name_is_named(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, tls = make_certificate(tmp_path, "mcp.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    finding = await probe_upstream(await serve(McpPeer({"initialize": INITIALIZED}).handle, tls), None)
    assert "127.0.0.1" in finding.text
    assert finding.text.startswith("has a certificate that is not trusted (")


async def test_a_trusted_certificate_is_well(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, tls = make_certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert (await probe_upstream(await serve(McpPeer({"initialize": INITIALIZED}).handle, tls), None)).is_ok


async def test_a_server_without_tls_behind_an_https_url_is_named(serve: Serve) -> None:
    url = await serve(McpPeer({"initialize": INITIALIZED}).handle)
    finding = await probe_upstream(url.replace("http://", "https://"), None)
    assert (finding.text, finding.fix) == (
        "answers without TLS",
        "write http:// in GATEWAY_UPSTREAM_URL, or check the port",
    )


async def test_text_of_the_upstream_is_shortened_and_printable(serve: Serve) -> None:
    peer = McpPeer({"initialize": {**INITIALIZED, "serverInfo": {"name": "\x1b[2J" + "x" * 1000}}})
    finding = await probe_upstream(await serve(peer.handle), None)
    assert finding.text.isprintable()
    assert len(finding.text) < 300

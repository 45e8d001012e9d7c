"""Refusals of the upstream that concern the gateway: no client gets them, on whichever path."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.redis import names as redis_names
from tests.proxy.fast_path.responses import in_chunks, sse
from tests.proxy.keep_alive import SINGLE_RESULT, PathRecorder, PausedUpstream, limited_gateway, warm_client
from tests.proxy.streams import ACCEPTED, Listening, event, listening, next_event
from tests.support.gateway import INITIALIZE, Gateway, HttpResponse, call, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, http
from tests.support.waiting import until
from tests.support.wire import answers_in

REDIRECTED = "The upstream answered with a redirect; set GATEWAY_UPSTREAM_URL to the address it names"
CHALLENGED = "The upstream refused the gateway's own credentials"
CHALLENGE = 'WWW-Authenticate: Bearer resource_metadata="http://10.1.2.3/.well-known/oauth-protected-resource"\r\n'
LOCATION = "Location: http://ann:secret@10.1.2.3:9000/mcp/?token=t\r\n"
REFUSALS = [
    *((f"{status} R", LOCATION, "redirect", REDIRECTED) for status in (301, 302, 303, 307, 308)),
    *((f"{status} C", CHALLENGE, str(status), CHALLENGED) for status in (401, 403, 407)),
]
BODIES = {
    "json": (SINGLE_RESULT, "application/json"),
    "html": (b"<a href='http://10.1.2.3'>", "text/html"),
    "events": (sse(SINGLE_RESULT), "text/event-stream"),
    "empty": (b"", "text/plain"),
}


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> PathRecorder:
    return PathRecorder(monkeypatch)


@pytest.fixture
async def gateway(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, paths: PathRecorder
) -> AsyncIterator[Gateway]:
    async with limited_gateway(redis, valkey_url, upstream, tmp_path) as gateway:
        yield gateway


def assert_refused(response: HttpResponse, message: str, id_: object) -> None:
    assert (response.status, response.json["id"]) == (502, id_)
    assert response.error == {"code": -32603, "message": message}
    assert not {"Location", "WWW-Authenticate"} & set(response.headers)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("status", "fields", "kind", "message"), REFUSALS, ids=[each[0] for each in REFUSALS])
async def test_a_refusal_is_502_for_every_method_and_on_both_paths_and_no_call_is_counted(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    paths: PathRecorder,
    status: str,
    fields: str,
    kind: str,
    message: str,
    body: str,
) -> None:
    key = await gateway.key()
    upstream.answer = answer_raw(http(*BODIES[body], status=status, extra=fields))
    assert_refused(await gateway.post(INITIALIZE), message, 0)
    assert_refused(await gateway.post(call(), key), message, 1)
    assert_refused(await gateway.post([call(), call(id_=2)], key), message, None)
    for method in ("GET", "DELETE"):
        assert_refused(await gateway.request(method, key=key), message, None)
    assert paths.taken == ["general"] * 5
    async with warm_client(gateway, upstream, key) as client:
        (answer,) = answers_in(await client.exchange(call()))
    assert paths.taken[-2:] == ["fast", "fell back"]
    assert (answer.status, answer.json["error"]["message"]) == (502, message)
    assert answer.values("location") == answer.values("www-authenticate") == []
    assert gateway.metrics.refusals == [kind] * 6
    assert gateway.metrics.phases == ["refused"] * 6
    # The one event is that of the call that warms up the connection.
    assert len(await gateway.events()) == 1


async def test_a_refusal_in_chunks_is_502(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(in_chunks(sse(SINGLE_RESULT)).replace(b"200 OK", b"401 No"))
    key = await gateway.key()
    assert_refused(await gateway.post(call(), key), CHALLENGED, 1)
    async with warm_client(gateway, upstream, key) as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 502 ")


async def test_a_refused_initialize_opens_no_session(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(http(b"", status="401 No", extra="Mcp-Session-Id: s\r\n"))
    response = await gateway.post(INITIALIZE)
    assert "Mcp-Session-Id" not in response.headers
    assert await gateway.redis.exists(redis_names.UNCLAIMED_SESSIONS) == 0


async def test_a_call_that_is_refused_after_its_client_has_left_is_not_counted(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        paused = PausedUpstream(upstream, http(SINGLE_RESULT, status="307 R", extra=LOCATION))
        client.send(call())
        await paused.arrived.wait()
        client.disconnect()
        await until(lambda: len(gateway.worker.services.forwarding.detached_calls) == 1)
        paused.release.set()
        await until(lambda: gateway.metrics.refusals == ["redirect"])
    assert len(await gateway.events()) == 1


async def test_a_session_that_cannot_be_ended_because_of_a_refusal_is_reported(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.proxy.worker.REAP_SECONDS", 0.01)

    async def respond(request: Request, writer: object) -> None:
        is_delete = request.line.startswith(b"DELETE")
        raw = http(b"", status="403 No") if is_delete else http(b"{}", extra="Mcp-Session-Id: s\r\n")
        writer.write(raw)  # type: ignore[attr-defined]

    upstream.answer = respond
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, unclaimed_session_seconds=0.1) as gateway:
        await gateway.post(INITIALIZE)
        await until(lambda: gateway.metrics.refusals == ["403"])


async def test_a_refused_message_of_the_http_sse_transport_may_be_sent_again_with_its_id(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    stream = Listening(upstream)
    responses = [http(b"", status="401 No"), ACCEPTED]
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway:
        key = await gateway.key(max_concurrent=1)
        async with listening(gateway, key) as content:
            await stream.send(event("/messages/?session_id=abc", type_="endpoint"))
            target = (await next_event(content))["data"]
            respond = upstream.answer

            async def answer(request: Request, writer: object) -> None:
                writer.write(responses.pop(0))  # type: ignore[attr-defined]

            upstream.answer = answer
            statuses = [(await gateway.request("POST", target, key=key, data=call())).status for _ in range(2)]
            upstream.answer = respond
    assert statuses == [502, 202]


async def test_a_refusal_is_logged_with_its_address_and_without_secrets(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    key = await gateway.key()
    with caplog.at_level(logging.WARNING, "gateway.proxy.upstream.response_check"):
        for fields in (LOCATION, LOCATION, "Location: /mcp/\r\n", "Location: //[\r\n", ""):
            upstream.answer = answer_raw(http(b"", status="307 R", extra=fields))
            await gateway.post(call(), key)
        upstream.answer = answer_raw(http(b"", status="401 R"))
        await gateway.post(call(), key)
    url = upstream.url
    setting = "set GATEWAY_UPSTREAM_URL to this address"
    assert caplog.messages == [
        f"the upstream {url} answered with a redirect (307): http://10.1.2.3:9000/mcp/; {setting}",
        f"the upstream {url} answered with a redirect (307): {url}/; {setting}",
        f"the upstream {url} answered with a redirect (307): an invalid address; {setting}",
        f"the upstream {url} answered with a redirect (307): {url}; {setting}",
        f"the upstream {url} answered with 401: {url}; set GATEWAY_UPSTREAM_AUTHORIZATION",
    ]


async def test_challenges_pass_if_that_is_configured_and_redirects_never_do(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, upstream_challenge="pass") as gateway:
        key = await gateway.key()
        for status in (401, 403):
            upstream.answer = answer_raw(http(b"no", status=f"{status} No", extra=CHALLENGE))
            response = await gateway.post(call(), key)
            assert (response.status, response.body) == (status, b"no")
            assert response.headers["WWW-Authenticate"] == CHALLENGE.split(": ", 1)[1].strip()
        upstream.answer = answer_raw(http(b"no", status="407 No", extra=CHALLENGE))
        assert_refused(await gateway.post(call(), key), CHALLENGED, 1)
        upstream.answer = answer_raw(http(b"no", status="307 No", extra=LOCATION))
        assert_refused(await gateway.post(call(), key), REDIRECTED, 1)
        assert gateway.metrics.refusals == ["401", "403", "407", "redirect"]
        assert await gateway.events() == []


@pytest.mark.parametrize("doubled", ["Mcp-Session-Id: a\r\nmcp-session-id: a\r\n", "Mcp-Session-Id: a, a\r\n"])
async def test_a_session_id_that_is_sent_twice_reaches_the_client_once_and_can_be_used(
    gateway: Gateway, upstream: ScriptedUpstream, paths: PathRecorder, doubled: str
) -> None:
    key = await gateway.key()
    upstream.answer = answer_raw(http(SINGLE_RESULT, extra=doubled))
    response = await gateway.post(INITIALIZE, key)
    assert response.headers.getall("Mcp-Session-Id") == ["a"]
    async with warm_client(gateway, upstream, key, b"Mcp-Session-Id: a") as client:
        (answer,) = answers_in(await client.exchange(call()))
    assert (answer.status, answer.values("mcp-session-id"), paths.last) == (200, ["a"], "fell back")


@pytest.mark.parametrize("doubled", ["Mcp-Session-Id: a\r\nmcp-session-id: b\r\n", "Mcp-Session-Id: a, b\r\n"])
async def test_two_session_ids_are_502_and_open_no_session(
    gateway: Gateway, upstream: ScriptedUpstream, doubled: str
) -> None:
    key = await gateway.key()
    upstream.answer = answer_raw(http(SINGLE_RESULT, extra=doubled))
    for message in (INITIALIZE, call()):
        response = await gateway.post(message, key)
        assert (response.status, response.headers.getall("Mcp-Session-Id", [])) == (502, [])
        assert response.error["message"] == "The upstream sent two different session ids (Mcp-Session-Id)"
    async with warm_client(gateway, upstream, key) as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 502 ")

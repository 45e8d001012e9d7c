"""The API key in the headers of a request."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from gateway.keys.secret import ApiKey
from gateway.proxy.admission.credentials.key_headers import KeyHeaders
from gateway.proxy.admission.rejections import NO_KEY, RequestRejected, bad_key
from tests.proxy.keep_alive import PathRecorder, warm_client
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, answer_result

KEY = ApiKey.generate(lambda size: b"\1" * size)
OTHER = ApiKey.generate(lambda size: b"\2" * size)
TEXT = KEY.text.encode()
WRONG = TEXT[:-1] + (b"0" if TEXT[-1:] != b"0" else b"1")
"""A key with a wrong checksum."""
A = b"Authorization"
X = b"X-API-Key"
Fields = list[tuple[bytes, bytes]]


def found(*fields: tuple[bytes, bytes], names: tuple[str, ...] = ("Authorization", "X-API-Key")) -> object:
    key = KeyHeaders(names).find(fields).key
    return key.text if isinstance(key, ApiKey) else key


@pytest.mark.parametrize(
    "fields",
    [
        [(A, b"Bearer " + TEXT)],
        [(A, b"bearer   " + TEXT)],
        [(A, TEXT)],
        [(X, TEXT)],
        [(b"x-api-key", b"Bearer " + TEXT)],
        [(A, b"Bearer " + TEXT), (X, TEXT)],
        [(X, TEXT), (X, b"BEARER " + TEXT)],
        [(A, TEXT), (X, b"settings of the upstream")],
        [(X, b"sk-short"), (X, TEXT)],
        [(A, TEXT), (b"X_API_Key", OTHER.text.encode())],
    ],
)
def test_a_key_is_found_in_each_header_with_or_without_bearer(fields: Fields) -> None:
    assert found(*fields) == KEY.text


@pytest.mark.parametrize(
    "fields", [[], [(X, b"")], [(X, b"sk-short")], [(X, b"Basic " + TEXT)], [(X, TEXT + b"x")], [(b"X-Other", TEXT)]]
)
def test_other_values_and_other_headers_are_no_key(fields: Fields) -> None:
    assert found(*fields) == NO_KEY


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([(A, b"Basic abc")], "scheme"),
        ([(A, b"")], "scheme"),
        ([(A, b"token")], "scheme"),
        ([(A, b"Basic abc"), (X, TEXT)], "scheme"),
        ([(A, b"Bearer")], "malformed"),
        ([(A, b"Bearer token"), (X, TEXT)], "malformed"),
        ([(A, b"sk-short")], "malformed"),
        ([(A, WRONG)], "malformed"),
        ([(X, WRONG)], "malformed"),
        ([(X, b"Bearer " + WRONG)], "malformed"),
    ],
)
def test_a_bad_credential_has_its_reason_whatever_the_other_headers_have(fields: Fields, reason: str) -> None:
    assert found(*fields) == bad_key(reason)


@pytest.mark.parametrize("other", [OTHER.text.encode(), WRONG])
def test_two_different_keys_are_400(other: bytes) -> None:
    for fields in ([(A, TEXT), (X, other)], [(X, other), (A, b"Bearer " + TEXT)], [(X, TEXT), (X, other)]):
        with pytest.raises(RequestRejected) as rejected:
            found(*fields)
        assert rejected.value.deny.status == 400


def test_only_configured_headers_are_read() -> None:
    assert found((A, b"Basic abc"), (X, TEXT), names=("x-api-key",)) == KEY.text
    assert found((A, TEXT), names=("X-API-Key",)) == NO_KEY
    assert found((b"X-Team-Key", TEXT), (X, OTHER.text.encode()), names=("X-Team-Key",)) == KEY.text


def test_everything_that_may_be_a_secret_is_listed() -> None:
    fields = [(A, b"Basic " + b"b" * 20), (X, TEXT), (b"X.Api_Key", OTHER.text.encode()), (X, b"no key")]
    assert set(KeyHeaders(("X-API-Key",)).find(fields).secrets) == {b"b" * 20, TEXT, OTHER.text.encode()}


# With a gateway.


async def test_a_key_in_another_header_is_used_and_never_forwarded(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    for name, value in (("X-API-Key", key), ("x-api-key", f"Bearer {key}"), ("Authorization", key)):
        upstream.requests.clear()
        response = await gateway.post(call(), **{name: value}, X_Copy=f"a {key}", X_Kept="b")
        assert response.status == 200
        (sent,) = upstream.requests
        assert key.encode() not in sent.head
        assert sent.values("x-kept") == [b"b"]


async def test_a_header_without_a_key_is_forwarded(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    assert (await gateway.post(call(), await gateway.key(), **{"X-API-Key": "of-the-upstream"})).status == 200
    assert upstream.requests[0].values("x-api-key") == [b"of-the-upstream"]
    response = await gateway.post(call(), **{"X-API-Key": "of-the-upstream"})
    assert (response.status, response.error["message"]) == (401, "API key required")


async def test_credentials_that_contradict_each_other_are_rejected(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    other = await gateway.key()
    assert (await gateway.post(call(), key, **{"X-API-Key": other})).status == 400
    response = await gateway.post(call(), Authorization="Basic abc", **{"X-API-Key": key})
    assert (response.status, response.error["message"]) == (401, "Invalid or expired API key")
    assert upstream.requests == []


async def test_authorization_is_never_forwarded_even_if_it_is_not_read(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, key_headers=("X-Team-Key",)) as gateway:
        key = await gateway.key()
        assert (await gateway.post(call(), Authorization="Basic YWJjOmRlZg==", X_Team_Key=key)).status == 200
        assert upstream.requests[0].values("authorization") == []
        assert (await gateway.post(call(), key)).error["message"] == "API key required"


async def test_a_key_in_any_header_takes_the_fast_path_and_another_one_is_another_head(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = PathRecorder(monkeypatch)
    upstream.answer = answer_result({"content": []})
    records = [await gateway.new_key(owner) for owner in ("ann@example.com", "bob@example.com")]
    async with warm_client(gateway, upstream, None, b"X-API-Key: " + records[0][1].encode()) as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
        assert paths.taken[-1] == "fast"
    events = await gateway.until_events(2)
    assert {event.key_id for event in events} == {records[0][0].key_id}
    for _ in range(2):
        assert (await gateway.post(call(), **{"X-API-Key": records[1][1]})).status == 200
    assert {event.key_id for event in await gateway.until_events(4)} == {record.key_id for record, _ in records}


async def test_a_query_that_holds_a_key_is_rejected_and_not_forwarded(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key = await gateway.key()
    encoded = "".join(f"%{ord(character):02x}" for character in key)
    for query in (f"api_key={key}", f"a=b&key=Bearer%20{key}", key, f"k={encoded}", f"k={quote(key[:-7])}{key[-7:]}"):
        for method, data in (("POST", call()), ("GET", None), ("DELETE", None)):
            response = await gateway.request(method, f"/mcp?{query}", key=key, data=data)
            assert response.status == 400
            assert "holds an API key" in response.error["message"]
    assert upstream.requests == []
    assert key[3:20] not in caplog.text
    assert (await gateway.request("POST", f"/mcp?run=task-{key[3:]}", key=key, data=call())).status == 200

"""The request head, parsed once into a frozen value."""

from __future__ import annotations

import pytest

from gateway.keys.secret import ApiKey
from gateway.proxy.admission.credentials.key_headers import KeyHeaders
from gateway.proxy.admission.head import RequestHead, check_body_allowed, read_head
from gateway.proxy.admission.origins import Origins
from gateway.proxy.admission.rejections import (
    EXPECTATION_FAILED,
    FOREIGN_HOST,
    FOREIGN_ORIGIN,
    NO_KEY,
    Deny,
    RequestRejected,
    bad_key,
)

ORIGINS = Origins(
    bind_host="127.0.0.1",
    allowed_hosts=(),
    allowed_origins=("https://app.example",),
    trusted_proxies=("10.0.0.0/8",),
)
KEY_HEADERS = KeyHeaders(("Authorization",))
KEY = ApiKey.generate()
HOST = (b"Host", b"localhost:8001")


def head_of(
    *fields: tuple[bytes, bytes], method: str = "POST", target: str = "/mcp", peer: str = "192.0.2.1"
) -> RequestHead:
    return read_head(method, target, [HOST, *fields], peer, ORIGINS, KEY_HEADERS)


def rejection_of(*fields: tuple[bytes, bytes], target: str = "/mcp") -> RequestRejected:
    with pytest.raises(RequestRejected) as rejected:
        read_head("POST", target, list(fields), "192.0.2.1", ORIGINS, KEY_HEADERS)
    return rejected.value


def test_a_head_is_reduced_to_its_meaning() -> None:
    head = head_of(
        (b"Authorization", b"Bearer " + KEY.text.encode()),
        (b"Mcp-Session-Id", b"s-1"),
        (b"MCP-Protocol-Version", b"2025-11-25"),
        (b"Mcp-Method", b"tools/call"),
        (b"User-Agent", b"client/1.2 (linux)"),
        target="/mcp?a=b&session_id=s-2",
    )
    assert (head.path, head.query, head.session_ids) == ("/mcp", b"a=b&session_id=s-2", ("s-1", "s-2"))
    assert (head.protocol_version, head.user_agent) == ("2025-11-25", ("client", "1.2"))
    assert (head.policy_inputs.mcp_method, head.policy_inputs.mcp_name) == ("tools/call", None)
    assert (head.client_ip, head.scheme, head.host) == ("192.0.2.1", "http", "localhost:8001")
    assert isinstance(head.credential, ApiKey)
    assert head.credential.text == KEY.text


def test_a_head_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        head_of().origin = b"https://evil.example"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("authorization", "deny"),
    [
        (None, NO_KEY),
        (b"Basic abc", bad_key("scheme")),
        (b"Bearer", bad_key("malformed")),
        (b"Bearer sk-nonsense", bad_key("malformed")),
    ],
)
def test_a_head_without_a_well_formed_key_has_the_reason(authorization: bytes | None, deny: Deny) -> None:
    fields = [] if authorization is None else [(b"Authorization", authorization)]
    assert head_of(*fields).credential == deny


def test_the_client_is_the_one_that_a_trusted_proxy_names() -> None:
    forwarded = [(b"X-Forwarded-For", b"198.51.100.7"), (b"X-Forwarded-Proto", b"https")]
    assert head_of(*forwarded, peer="10.0.0.1").client_ip == "198.51.100.7"
    assert head_of(*forwarded, peer="::ffff:10.0.0.1").scheme == "https"
    assert head_of(*forwarded, peer="192.0.2.1").client_ip == "192.0.2.1"


def test_foreign_hosts_and_origins_and_unknown_expectations_are_rejected() -> None:
    assert rejection_of((b"Host", b"evil.example")).deny is FOREIGN_HOST
    assert rejection_of(HOST, (b"Origin", b"https://evil.example")).deny is FOREIGN_ORIGIN
    assert rejection_of(HOST, (b"Expect", b"junk")).deny is EXPECTATION_FAILED
    assert head_of((b"Origin", b"https://app.example")).origin == b"https://app.example"


def test_probes_may_have_any_host() -> None:
    assert read_head("GET", "/readyz", [(b"Host", b"10.1.2.3")], "10.1.2.3", ORIGINS, KEY_HEADERS).path == "/readyz"


def test_an_ambiguous_head_closes_the_connection() -> None:
    rejected = rejection_of(HOST, (b"Content-Type", b"a"), (b"content-type", b"b"))
    assert (rejected.deny.status, rejected.close_connection) == (400, True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_methods_without_a_body_reject_one(method: str) -> None:
    check_body_allowed(head_of(method=method), None)
    check_body_allowed(head_of(method=method), 0)
    with pytest.raises(RequestRejected):
        check_body_allowed(head_of(method=method), 1)
    with pytest.raises(RequestRejected):
        check_body_allowed(head_of((b"Transfer-Encoding", b"chunked"), method=method), None)

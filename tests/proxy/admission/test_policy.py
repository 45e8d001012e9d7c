"""The authorization decision, as a pure function."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.metering import tables_in_arguments
from gateway.protocol.errors import DENIED, HEADER_MISMATCH, INVALID_REQUEST
from gateway.protocol.message_parser import MalformedMessage, parse_body
from gateway.proxy.admission.policy import Allow, Policy, PolicyInputs, check_address, check_tables, check_tool
from gateway.proxy.admission.rejections import NO_KEY, REDIS_UNAVAILABLE, Deny, bad_key, forbidden, invalid
from tests.metering.queries.attacks import ATTACKS, REACHING_ARGUMENTS, SAFE, SAFE_ARGUMENTS

KEY = KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-abc", owner="ann@example.com", created_at=0)
PUBLIC = ("initialize", "notifications/initialized", "server/discover")
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
NO_IDS: list[Any] = [None, True, False, 1.0, 1.5, {}, [], [1]]


def key(**changes: Any) -> KeyRecord:
    return msgspec.structs.replace(KEY, **changes)


def call(tool: Any = "get", id_: Any = 1, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def tables_of(_tool: str, arguments: dict[str, Any]) -> tuple[str, ...] | None:
    """A stand-in for the metering: the argument `table` names the table; without it, tables are unknown."""
    table = arguments.get("table")
    return None if table is None else (table,)


def read_only_hint(tool: str) -> bool | None:
    """A stand-in for the catalog of tools: `get` is read-only, `drop` is not, others are unknown."""
    return {"get": True, "drop": False}.get(tool)


TablesInArguments = Callable[[str, dict[str, Any]], tuple[str, ...] | None]


def decided(
    body: Any,
    credential: KeyRecord | Deny = NO_KEY,
    *,
    public_methods: tuple[str, ...] = PUBLIC,
    ignores_bad_keys: bool = False,
    client_ip: str = "192.0.2.1",
    mcp_method: str | None = None,
    mcp_name: str | None = None,
    tables_in_arguments: TablesInArguments = tables_of,
) -> Allow | Deny:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    policy = Policy(
        public_methods=public_methods,
        ignores_bad_keys=ignores_bad_keys,
        tables_in_arguments=tables_in_arguments,
        read_only_hint=read_only_hint,
    )
    return policy.decide(parse_body(raw), credential, PolicyInputs(client_ip, mcp_method, mcp_name))


def message_of(decision: Allow | Deny | None) -> str:
    """Return the text of a 403."""
    assert isinstance(decision, Deny)
    assert (decision.status, decision.code) == (403, DENIED)
    return decision.message


def status(decision: Allow | Deny) -> int:
    return decision.status if isinstance(decision, Deny) else 200


# 1. Public requests.


PUBLIC_REQUESTS = pytest.mark.parametrize(
    "message",
    [
        INITIALIZE,
        {**INITIALIZE, "id": "a"},
        {**INITIALIZE, "id": ""},
        {**INITIALIZE, "id": -1},
        INITIALIZED,
        {**INITIALIZED, "params": {}},
        {**INITIALIZE, "method": "server/discover"},
    ],
)


@PUBLIC_REQUESTS
def test_a_public_request_is_anonymous_without_a_key_and_has_a_principal_with_one(message: dict[str, Any]) -> None:
    assert decided(message) == Allow(None)
    assert decided(message, KEY) == Allow(KEY)


@PUBLIC_REQUESTS
def test_a_public_request_with_a_bad_key_is_rejected_unless_bad_keys_are_ignored(message: dict[str, Any]) -> None:
    for reason in ("unknown", "malformed", "revoked", "suspended", "expired", "scheme"):
        assert decided(message, bad_key(reason)) == bad_key(reason)
        assert decided(message, bad_key(reason), ignores_bad_keys=True) == Allow(None)
    assert decided(message, REDIS_UNAVAILABLE) == REDIS_UNAVAILABLE


def test_a_bad_key_is_reported_before_a_routing_header_that_differs() -> None:
    assert decided(INITIALIZE, bad_key("unknown"), mcp_method="tools/call") == bad_key("unknown")


@pytest.mark.parametrize(
    "message",
    [
        *({**INITIALIZE, "id": id_} for id_ in NO_IDS),
        *(
            {**INITIALIZE, "method": method}
            for method in ("Initialize", "initialize ", "initialize\0", "", "initialise")
        ),
        *({**INITIALIZE, name: value} for name, value in (("Method", "tools/call"), ("extra", 1), ("ID", 2), ("", 0))),
        {name: value for name, value in INITIALIZE.items() if name != "id"},
        {**INITIALIZED, "id": 1},
        {**INITIALIZED, "id": None},
        {**INITIALIZED, "method": "notifications/cancelled"},
        {**INITIALIZE, "method": "in\u0131tialize"},
        PING,
        call(),
        [INITIALIZE],
        [INITIALIZED],
        [INITIALIZE, call(id_=2)],
        [INITIALIZED, INITIALIZED],
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {}},
    ],
    ids=lambda message: json.dumps(message)[:70],
)
def test_anything_else_needs_a_key(message: Any) -> None:
    assert decided(message) == NO_KEY


def test_no_method_is_public_if_none_is_configured() -> None:
    for message in (INITIALIZE, INITIALIZED):
        assert decided(message, public_methods=()) == NO_KEY


@given(
    st.dictionaries(
        st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "Method", "ID", "x"]),
        st.sampled_from(
            ["2.0", "1.0", 1, 1.0, 0, True, None, "initialize", "tools/call", {}, [], "notifications/initialized"]
        ),
    ),
    st.booleans(),
)
def test_only_messages_with_the_exact_form_of_a_public_request_need_no_key(
    message: dict[str, Any], in_batch: bool
) -> None:
    try:
        decision = decided([message] if in_batch else message)
    except MalformedMessage:
        return
    if not isinstance(decision, Allow):
        return
    assert not in_batch
    assert message.keys() <= {"jsonrpc", "id", "method", "params"}
    assert (message["jsonrpc"], message["method"] in PUBLIC) == ("2.0", True)
    assert type(message.get("id", 0)) in (int, str)
    assert ("id" in message) == (message["method"] != "notifications/initialized")


# 2. The key.


@pytest.mark.parametrize("reason", ["unknown", "malformed", "revoked", "suspended", "expired", "scheme"])
def test_bad_keys_differ_in_the_reason_only(reason: str) -> None:
    decision = decided(call(), bad_key(reason))
    assert isinstance(decision, Deny)
    assert decision.reason == reason
    assert msgspec.structs.replace(decision, reason="") == Deny(
        status=401,
        code=DENIED,
        message="Invalid or expired API key",
        reason="",
        challenge='Bearer realm="mcp", error="invalid_token"',
    )


def test_the_challenge_without_a_key_mentions_no_token() -> None:
    assert (NO_KEY.status, NO_KEY.code, NO_KEY.message) == (401, DENIED, "API key required")
    assert NO_KEY.challenge == 'Bearer realm="mcp"'


def test_a_missing_key_is_reported_before_errors_of_the_message() -> None:
    odd = {**call(), "id": {}}
    assert decided(odd) == NO_KEY
    assert status(decided(odd, KEY)) == 400
    assert decided(call(), mcp_method="other") == NO_KEY


# 3. Address, message, routing headers, tools, tables.


@pytest.mark.parametrize(
    ("allowed", "address", "passes"),
    [
        (None, "", True),
        ((), "192.0.2.1", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1/24",), "192.0.2.200", True),
        (("192.0.2.1",), "192.0.2.10", False),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::7", True),
        (("0.0.0.0/0",), "2001:db8::7", False),
        (("::/0",), "192.0.2.1", False),
        (("192.0.2.0/24",), "", False),
        (("192.0.2.0/24",), "192.0.2.1, 10.0.0.1", False),
        (("192.0.2.0/24",), "unknown", False),
    ],
)
def test_a_key_is_valid_from_its_addresses_only(allowed: tuple[str, ...] | None, address: str, passes: bool) -> None:
    restricted = key(allowed_ips=allowed)
    assert (check_address(restricted, address) is None) == passes
    assert status(decided(call(), restricted, client_ip=address)) == (200 if passes else 403)


@pytest.mark.parametrize(
    "message",
    [
        *({**PING, "id": id_} for id_ in (NO_IDS[1], NO_IDS[5], NO_IDS[6])),
        *(
            {**PING, name: "tools/call"}
            for name in ("Method", "METHOD", "\u212asonrpc".replace("\u212a", "J"), "Params", "iD")
        ),
        *({**PING, "params": params} for params in (1, "x", None, True)),
        [PING, {**PING, "id": 2, "Method": "x"}],
        {**call(), "params": {"Name": "get"}},
        {**call(), "params": {"name": "get", "Name": "drop"}},
        {**call(), "method": "Tools/call"},
    ],
    ids=lambda message: json.dumps(message)[:70],
)
def test_an_ambiguous_message_is_rejected_even_with_a_valid_key(message: Any) -> None:
    decision = decided(message, KEY)
    assert isinstance(decision, Deny)
    assert (decision.status, decision.code) == (400, INVALID_REQUEST)


def test_unknown_members_are_allowed_with_a_key() -> None:
    assert decided({**PING, "extra": 1}, KEY) == Allow(KEY)


@pytest.mark.parametrize("message", [call("get"), INITIALIZE, [call("get")]])
def test_routing_headers_that_differ_are_rejected_for_public_requests_too(message: Any) -> None:
    for mcp_method in ("tools/list", "", "Tools/Call"):
        decision = decided(message, KEY, mcp_method=mcp_method)
        assert isinstance(decision, Deny)
        assert (decision.status, decision.code) == (400, HEADER_MISMATCH)


def test_routing_headers_that_agree_are_allowed() -> None:
    assert decided(call("get"), KEY, mcp_method=" tools/call ", mcp_name="get") == Allow(KEY)
    assert decided(call("get"), KEY, mcp_name="=?base64?Z2V0?=") == Allow(KEY)
    assert status(decided(call("get"), KEY, mcp_name="drop")) == 400


@pytest.mark.parametrize(
    ("globs", "tool", "passes"),
    [
        (None, "anything", True),
        ((), "get", False),
        (("get",), "get", True),
        (("get",), "Get", False),
        (("get",), "get ", False),
        (("get",), "get\n", False),
        (("get_*",), "get_prices", True),
        (("get_*",), "forget_it", False),
        (("get_?",), "get_ab", False),
        (("a", "b*"), "bc", True),
        (("*",), "", True),
        (("[ab]",), "a", True),
    ],
)
def test_a_tool_is_allowed_if_a_glob_matches_its_whole_name(
    globs: tuple[str, ...] | None, tool: str, passes: bool
) -> None:
    restricted = key(allowed_tools=globs)
    assert (check_tool(restricted, tool, read_only_hint) is None) == passes
    assert status(decided(call(tool), restricted)) == (200 if passes else 403)


@pytest.mark.parametrize("params", [None, {}, {"name": None}, {"name": 1}, {"name": ["get"]}, {"arguments": {}}])
def test_a_restricted_key_cannot_make_a_call_without_a_readable_tool(params: Any) -> None:
    message = {**call(), "params": params} if params is not None else {k: v for k, v in call().items() if k != "params"}
    for restricted in (key(allowed_tools=("*",)), key(allowed_tables=("prices",)), key(read_only=True)):
        assert message_of(decided(message, restricted)) == "This API key is limited, and this call does not name a tool"
    assert decided(message, KEY) == Allow(KEY)


@pytest.mark.parametrize(
    ("tables", "passes"),
    [
        (("prices",), True),
        (("PRICES",), True),
        ((), True),
        (("prices", "secrets"), False),
        (("prices2",), False),
        (("main.prices",), False),
        (None, False),
    ],
)
def test_only_allowed_tables_may_be_read_and_no_unknown_ones(tables: tuple[str, ...] | None, passes: bool) -> None:
    restricted = key(allowed_tables=("prices",))
    assert (check_tables(restricted, tables) is None) == passes
    assert status(decided(call(), restricted, tables_in_arguments=lambda _tool, _arguments: tables)) == (
        200 if passes else 403
    )
    assert check_tables(KEY, tables) is None


@pytest.mark.parametrize(
    ("language", "query", "expected"),
    [
        *((language, query, 200) for language, query in SAFE.items()),
        *((language, query, 403) for language, queries in ATTACKS.items() for query in queries),
    ],
)
def test_a_query_in_any_language_is_refused_if_it_reaches_another_table(
    language: str, query: str, expected: int
) -> None:
    restricted = key(allowed_tables=("allowed",))
    for request in (call("query", **{language: query}), call(f"run_{language}_query", query=query)):
        assert status(decided(request, restricted, tables_in_arguments=tables_in_arguments)) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [*((one, 200) for one in SAFE_ARGUMENTS), *((one, 403) for one in REACHING_ARGUMENTS)],
)
def test_arguments_beside_an_allowed_table_are_refused_if_they_may_reach_another(
    arguments: dict[str, Any], expected: int
) -> None:
    restricted = key(allowed_tables=("allowed",))
    request = call("query", **({"table": "allowed"} | arguments))
    assert status(decided(request, restricted, tables_in_arguments=tables_in_arguments)) == expected


def test_restrictions_to_tools_and_tables_apply_to_calls_only() -> None:
    restricted = key(allowed_tools=(), allowed_tables=(), read_only=True)
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for message in (PING, listed, INITIALIZE, {"jsonrpc": "2.0", "id": 1, "result": {}}):
        assert decided(message, restricted) == Allow(restricted)


def test_one_forbidden_element_rejects_the_batch_at_any_position() -> None:
    restricted = key(allowed_tools=("get",), allowed_tables=("prices",))
    good, bad = call("get", table="prices"), [call("drop", table="prices"), call("get", table="secrets"), call("get")]
    assert decided([good, {**PING, "id": 2}, {**good, "id": 3}], restricted) == Allow(restricted)
    for each in bad:
        for order in itertools.permutations([good, {**PING, "id": 2}, {**each, "id": 3}]):
            assert status(decided(list(order), restricted)) == 403


@pytest.mark.parametrize(("tool", "passes"), [("get", True), ("drop", False), ("other", False), ("", False)])
def test_a_read_only_key_calls_only_tools_that_are_declared_as_read_only(tool: str, passes: bool) -> None:
    for restricted in (key(read_only=True), key(owner_policy=OwnerPolicy(read_only=True))):
        decision = decided(call(tool), restricted)
        assert status(decision) == (200 if passes else 403)
        assert passes or (isinstance(decision, Deny) and decision.reason == "read_only")


OWN: dict[str, Any] = {
    "allowed_tools": ("get", "drop"),
    "allowed_tables": ("prices", "news"),
    "allowed_ips": ("192.0.2.0/24",),
}
OWNERS: dict[str, Any] = {
    "allowed_tools": ("get", "put"),
    "allowed_tables": ("NEWS", "orders"),
    "allowed_ips": ("192.0.2.0/25",),
}


@pytest.mark.parametrize(
    ("tool", "table", "address", "passes"),
    [
        ("get", "news", "192.0.2.1", True),
        ("get", "News", "192.0.2.127", True),
        ("drop", "news", "192.0.2.1", False),
        ("put", "news", "192.0.2.1", False),
        ("get", "prices", "192.0.2.1", False),
        ("get", "orders", "192.0.2.1", False),
        ("get", "news", "192.0.2.128", False),
    ],
)
def test_a_key_may_do_what_both_it_and_the_policy_of_its_owner_allow(
    tool: str, table: str, address: str, passes: bool
) -> None:
    for first, second in ((OWN, OWNERS), (OWNERS, OWN)):
        restricted = key(**first, owner_policy=OwnerPolicy(**second))
        decision = decided(call(tool, table=table), restricted, client_ip=address)
        assert status(decision) == (200 if passes else 403)


def test_a_policy_without_scopes_changes_nothing() -> None:
    owned = key(owner_policy=OwnerPolicy(max_keys=1))
    assert decided(call("drop"), owned) == Allow(owned)


def test_a_handshake_from_an_address_that_the_policy_does_not_allow_is_anonymous() -> None:
    owned = key(owner_policy=OwnerPolicy(allowed_ips=("198.51.100.0/24",)))
    assert decided(INITIALIZE, owned) == Allow(None)


def test_a_denial_names_what_was_refused_and_what_is_allowed() -> None:
    restricted = key(**OWN)
    assert message_of(decided(call("run_sql"), restricted)) == "This API key may not call run_sql; allowed: get, drop"
    assert message_of(decided(call("get", table="secret"), restricted)) == (
        "This API key may not read the table secret; allowed: prices, news"
    )
    assert message_of(decided(call("get"), restricted)) == (
        "This API key is limited to certain tables, and the tables of this call cannot be known; allowed: prices, news"
    )
    assert message_of(decided(call(), restricted, client_ip="198.51.100.7")) == (
        "This API key may not be used from the address 198.51.100.7"
    )
    assert message_of(decided(call("drop"), key(read_only=True))) == (
        "This API key may only call read-only tools, and drop is not one"
    )
    assert message_of(decided(call("run_sql"), key(read_only=True))) == (
        "This API key may only call read-only tools, and run_sql is not known as one; list the tools first (tools/list)"
    )


def test_a_denial_by_the_policy_of_the_owner_says_so() -> None:
    owned = key(owner_policy=OwnerPolicy(**OWN))
    assert message_of(decided(call("run_sql"), owned)) == (
        "The policy of this key's owner does not allow run_sql; allowed: get, drop"
    )
    assert message_of(decided(call("get", table="secret"), owned)) == (
        "The policy of this key's owner does not allow the table secret; allowed: prices, news"
    )
    assert message_of(decided(call("get"), owned)) == (
        "The policy of this key's owner does not allow calls whose tables cannot be known; allowed: prices, news"
    )
    assert message_of(decided(call(), owned, client_ip="198.51.100.7")) == (
        "The policy of this key's owner does not allow the address 198.51.100.7"
    )
    reading = key(owner_policy=OwnerPolicy(read_only=True))
    assert message_of(decided(call("drop"), reading)) == (
        "The policy of this key's owner does not allow drop: it is not read-only"
    )
    assert message_of(decided(call("run_sql"), reading)) == (
        "The policy of this key's owner does not allow run_sql: it is not known to be read-only; "
        "list the tools first (tools/list)"
    )


@pytest.mark.parametrize(
    ("allowed", "shown"),
    [
        ((), "none"),
        (tuple(f"t{number}" for number in range(10)), "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9"),
        (tuple(f"t{number}" for number in range(12)), "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more"),
        (("get_[ab]*", "my tool"), "get_[ab]*, 'my tool'"),
    ],
)
def test_a_denial_lists_at_most_ten_allowed_values(allowed: tuple[str, ...], shown: str) -> None:
    expected = f"This API key may not call run_sql; allowed: {shown}"
    assert message_of(decided(call("run_sql"), key(allowed_tools=allowed))) == expected


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", r"'a\nb'"),
        ("a\u202eb", r"'a\u202eb'"),
        ("; allowed: *", "'; allowed: *'"),
        ("", "''"),
        ("naïve", "naïve"),
        ("x" * 500, "x" * 100 + "…"),
    ],
)
def test_a_name_in_a_denial_is_cut_and_free_of_control_characters(name: str, shown: str) -> None:
    expected = f"This API key may not call {shown}; allowed: get"
    assert message_of(decided(call(name), key(allowed_tools=("get",)))) == expected


def test_denials_have_a_status_and_a_reason() -> None:
    assert (forbidden("m", "r").status, forbidden("m", "r").code) == (403, DENIED)
    assert (invalid("m").status, invalid("m").code, invalid("m").reason) == (400, INVALID_REQUEST, "bad_request")

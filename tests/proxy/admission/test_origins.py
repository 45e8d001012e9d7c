"""Allowed hosts and origins, and client addresses behind trusted proxies."""

from __future__ import annotations

import pytest

from gateway.proxy.admission.origins import LOOPBACK_ORIGINS, Origins


def origins(
    *,
    bind_host: str = "127.0.0.1",
    allowed_hosts: tuple[str, ...] = (),
    allowed_origins: tuple[str, ...] = (LOOPBACK_ORIGINS,),
    trusted_proxies: tuple[str, ...] = (),
    public_url: str | None = None,
) -> Origins:
    return Origins(
        bind_host=bind_host,
        allowed_hosts=allowed_hosts,
        allowed_origins=allowed_origins,
        trusted_proxies=trusted_proxies,
        public_url=public_url,
    )


@pytest.mark.parametrize("bind_host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
@pytest.mark.parametrize("host", ["localhost", "LocalHost:8001", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8001"])
def test_bound_to_loopback_the_gateway_serves_the_names_of_this_machine(bind_host: str, host: str) -> None:
    assert origins(bind_host=bind_host).is_host_allowed(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost.",
            "evil.example:127.0.0.1",
            "127.0.0.1.nip.io",
            "0.0.0.0",
        ),
        *("localhost@evil.example", "evil.example@localhost", "localhost:80@evil.example", "localhost:", "localhost:x"),
        *(
            "localhost:\xb2",
            "127.0.0.1:8001, evil.example",
            "localhost evil.example",
            "localhost/",
            "localhost#",
            "[::1",
        ),
        *(
            "[::1]evil",
            "::1",
            "[::ffff:127.0.0.1]",
            "127.1",
            "2130706433",
            "localhost:123456",
            "localhost\xa0",
            "127.0.0.1%00",
        ),
    ],
)
def test_bound_to_loopback_the_gateway_serves_no_other_host(host: str) -> None:
    assert not origins().is_host_allowed(host)


def test_bound_elsewhere_the_gateway_serves_every_valid_host_unless_some_are_configured() -> None:
    anyone = origins(bind_host="0.0.0.0")
    assert anyone.is_host_allowed("gw.example:8001")
    assert not any(map(anyone.is_host_allowed, ("", "a b", "a,b", "a@b", "a/b", "a:b", "a\xe9")))
    named = origins(bind_host="0.0.0.0", allowed_hosts=("GW.example", "other.example:8001"))
    assert all(map(named.is_host_allowed, ("gw.example", "gw.example:99", "other.example:8001", "localhost")))
    assert not any(map(named.is_host_allowed, ("evil.example", "other.example:8002", "x.gw.example")))


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "https://localhost:5173", "http://127.0.0.1:1", "http://[::1]:80", "HTTP://LOCALHOST"],
)
def test_pages_of_this_machine_are_allowed(origin: str) -> None:
    assert origins().is_origin_allowed(origin)


@pytest.mark.parametrize(
    "origin",
    [
        *("", "null", "http://evil.example", "http://localhost.evil.example", "http://evil.example#localhost"),
        *(
            "http://localhost@evil.example",
            "http://localhost:80@evil.example",
            "http://evil.example/localhost",
            "localhost",
        ),
        *(
            "file://localhost",
            "ftp://localhost",
            "http://localhost/",
            "http://localhost?x",
            "http://localhost#x",
            "http:localhost",
        ),
        *(
            "http://local\thost",
            "http://localhost:",
            "http://localhost:\xb2",
            "http://localhost, http://evil.example",
            "//localhost",
        ),
        *(
            "http://user@localhost",
            "http://localhost:123456",
            "chrome-extension://localhost",
            "http://[::1",
            "http://[v1.x]",
        ),
    ],
)
def test_pages_of_any_other_origin_are_not(origin: str) -> None:
    assert not origins().is_origin_allowed(origin)


def test_only_configured_origins_are_allowed() -> None:
    some = origins(allowed_origins=("https://App.example/",))
    assert some.is_origin_allowed("https://app.example")
    assert not any(map(some.is_origin_allowed, ("http://app.example", "https://app.example.evil", "http://localhost")))
    assert origins(allowed_origins=("*",)).is_origin_allowed("https://any.example")
    assert not origins(allowed_origins=()).is_origin_allowed("http://localhost")


TRUSTED = ("10.0.0.0/8", "::1", "127.0.0.1")


def test_the_clients_address_is_the_one_that_trusted_proxies_name() -> None:
    behind = origins(trusted_proxies=TRUSTED)
    assert behind.client_address("10.0.0.1", {b"x-forwarded-for": b"1.1.1.1, 192.0.2.7:80"}) == "192.0.2.7"
    assert behind.client_address("10.0.0.1", {b"forwarded": b"for=192.0.2.7"}) == "192.0.2.7"
    assert behind.client_address("192.0.2.1", {b"x-forwarded-for": b"10.0.0.1"}) == "192.0.2.1"
    assert origins().client_address("10.0.0.1", {b"x-forwarded-for": b"192.0.2.7"}) == "10.0.0.1"


def test_valid_scheme_and_host_are_taken_from_trusted_proxies_only() -> None:
    said = {b"host": b"gw:1", b"x-forwarded-proto": b"https", b"x-forwarded-host": b"public.example:8443"}
    behind = origins(trusted_proxies=TRUSTED)
    assert behind.client_scheme_and_host("10.0.0.1", said) == ("https", "public.example:8443")
    assert behind.client_scheme_and_host("192.0.2.1", said) == ("http", "gw:1")
    assert origins().client_scheme_and_host("10.0.0.1", said) == ("http", "gw:1")
    odd = {b"host": b"gw:1", b"x-forwarded-proto": b"javascript", b"x-forwarded-host": b"a b\xff"}
    assert behind.client_scheme_and_host("10.0.0.1", odd) == ("http", "gw:1")
    several = {b"host": b"gw:1", b"x-forwarded-proto": b"http, HTTPS", b"x-forwarded-host": b"forged, public.example"}
    assert behind.client_scheme_and_host("10.0.0.1", several) == ("https", "public.example")


def test_scheme_and_host_are_taken_from_forwarded_if_there_is_no_x_forwarded_for() -> None:
    behind = origins(trusted_proxies=TRUSTED)
    said = {
        b"host": b"gw:1",
        b"forwarded": b'for=1.1.1.1;proto=http;host=forged, proto=HTTPS;host="public.example:8443"',
    }
    assert behind.client_scheme_and_host("10.0.0.1", said) == ("https", "public.example:8443")
    assert behind.client_scheme_and_host("192.0.2.1", said) == ("http", "gw:1")
    beside = {**said, b"x-forwarded-for": b"192.0.2.7"}
    assert behind.client_scheme_and_host("10.0.0.1", beside) == ("http", "gw:1")
    odd = {b"host": b"gw:1", b"forwarded": b'proto=javascript;host="a b"'}
    assert behind.client_scheme_and_host("10.0.0.1", odd) == ("http", "gw:1")


def test_the_host_of_the_public_url_is_served() -> None:
    public = origins(public_url="https://MCP.example:8443/team/mcp")
    assert all(map(public.is_host_allowed, ("mcp.example", "mcp.example:8443", "localhost")))
    assert not public.is_host_allowed("evil.example")
    assert origins(public_url="https://[2001:db8::1]:1/mcp").is_host_allowed("[2001:db8::1]")
    assert origins(bind_host="0.0.0.0", public_url="https://mcp.example/mcp").is_host_allowed("10.1.2.3")


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        ("/team", "/team"),
        ("/team/", "/team"),
        ("/a/b-c_d.e", "/a/b-c_d.e"),
        ("/forged, /team", "/team"),
        ("", ""),
        ("/", ""),
        ("team", ""),
        ("//evil.example", ""),
        ("/a//b", ""),
        ("/a/../b", ""),
        ("/a?b", ""),
        ("/a b", ""),
        ("/a\xe9", ""),
        ("https://evil.example/", ""),
        ("/a\\b", ""),
    ],
)
def test_a_prefix_is_taken_from_trusted_proxies_only(said: str, prefix: str) -> None:
    behind = origins(trusted_proxies=TRUSTED)
    fields = {b"x-forwarded-prefix": said.encode("latin-1")}
    assert behind.client_prefix("10.0.0.1", fields) == prefix
    assert behind.client_prefix("192.0.2.1", fields) == origins().client_prefix("10.0.0.1", fields) == ""

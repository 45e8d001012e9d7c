"""Client addresses behind proxies, and accepted host names."""

from __future__ import annotations

import ipaddress

import pytest

from admin_api.http.addresses import allowed_hosts, client_address, host_name

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.5, 198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.5", "198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["junk"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9, "], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("", ["198.51.100.9"], ""),
    ],
)
def test_only_trusted_hops_are_used(peer: str, forwarded_for: list[str], client: str) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == client


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Localhost:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("user@localhost", None),
        ("localhost/x", None),
        ("localhost:port", None),
        ("locälhost", None),
        ("", None),
        (None, None),
    ],
)
def test_a_host_header_is_parsed_strictly(header: str | None, name: str | None) -> None:
    assert host_name(header) == name


def test_any_host_is_accepted_on_a_public_bind_without_configured_hosts() -> None:
    assert allowed_hosts("0.0.0.0", ()) is None
    assert "gw.example" in (allowed_hosts("0.0.0.0", ("GW.example",)) or ())
    assert allowed_hosts("127.0.0.2", ()) == frozenset({"localhost", "127.0.0.1", "::1", "127.0.0.2"})

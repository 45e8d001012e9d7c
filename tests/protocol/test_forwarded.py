"""The client's address behind trusted proxies."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.forwarded import client_address, last_forwarded, parse_network, plain_address, source_of

TRUSTED = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8", "::1/128")))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", "10.9.9.9", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "1.1.1.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "1.1.1.1, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7,10.0.0.2 ,\t10.0.0.3", "192.0.2.7"),
        ("10.0.0.1", "10.0.0.5, 10.0.0.2", "10.0.0.5"),
        ("10.0.0.1", "192.0.2.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "192.0.2.7, ", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7:80", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7:65535, 10.0.0.2:1", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        ("10.0.0.1", "[2001:DB8:0::7]:443", "2001:db8::7"),
        ("10.0.0.1", "1.1.1.1, [fd00::1]:9", "1.1.1.1"),
        ("10.0.0.1", "[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7:", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7:port", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7:123456", "10.0.0.1"),
        ("10.0.0.1", "[192.0.2.7]:80", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::7", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7 80", "10.0.0.1"),
        ("10.0.0.1", "010.0.0.7", "10.0.0.1"),
        ("10.0.0.1", "_hidden", "10.0.0.1"),
        ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "[fe80::1%eth0]", "10.0.0.1"),
        ("::1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.1", "192.0.2.7", "192.0.2.1"),
        ("", "192.0.2.7", ""),
    ],
)
def test_the_clients_address_is_the_first_untrusted_one_from_the_right(
    peer: str, forwarded_for: str, client: str
) -> None:
    assert client_address(peer, forwarded_for, "", TRUSTED) == client
    assert client_address(peer, forwarded_for, "", ()) == (plain_address(peer) or peer), "nobody is trusted"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"),
        ("proto=https ; for=192.0.2.7", "192.0.2.7"),
        ('for="192.0.2.7:47011"', "192.0.2.7"),
        ("for=192.0.2.7:47011", "192.0.2.7"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
        ('for="[::ffff:192.0.2.7]"', "192.0.2.7"),
        ('for="192.0.2.7:_secret"', "192.0.2.7"),
        ('for="192\\.0\\.2\\.7"', "192.0.2.7"),
        ("for=1.1.1.1, for=192.0.2.7", "192.0.2.7"),
        ('for=192.0.2.7, for="[fd00::1]:80", for=10.0.0.2', "192.0.2.7"),
        ("for=192.0.2.7, for=unknown", "10.0.0.1"),
        ("for=192.0.2.7, for=_hidden, for=10.0.0.2", "10.0.0.2"),
        ('for="_gazonk"', "10.0.0.1"),
        ("for=192.0.2.7, proto=https", "10.0.0.1"),
        ("for=192.0.2.7;for=1.1.1.1", "10.0.0.1"),
        ("for =192.0.2.7", "10.0.0.1"),
        ("for=192.0.2.7,", "10.0.0.1"),
        ("", "10.0.0.1"),
        # What stands before the element of the proxy, a client may have written.
        ('for="1.1.1.1, for=192.0.2.7', "192.0.2.7"),
        ('by="a\\", for=192.0.2.7', "192.0.2.7"),
        ('by="a, for=1.1.1.1, b", for=192.0.2.7', "192.0.2.7"),
        ('for=1.1.1.1;host="a,b;for=2.2.2.2"', "1.1.1.1"),
    ],
)
def test_the_clients_address_is_read_from_forwarded(forwarded: str, client: str) -> None:
    assert client_address("10.0.0.1", "", forwarded, TRUSTED) == client
    assert client_address("192.0.2.1", "", forwarded, TRUSTED) == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_of_mapped_addresses_is_one_of_ipv4(text: str, network: str) -> None:
    assert parse_network(text) == ipaddress.ip_network(network)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv4_address_and_a_network_of_ipv6_count_as_one_source(address: str, source: str) -> None:
    assert source_of(address) == source


def test_forwarded_is_ignored_beside_x_forwarded_for() -> None:
    assert client_address("10.0.0.1", "192.0.2.7", "for=1.1.1.1", TRUSTED) == "192.0.2.7"
    assert client_address("10.0.0.1", "junk", "for=1.1.1.1", TRUSTED) == "10.0.0.1"
    assert client_address("10.0.0.1", " ", "for=1.1.1.1", TRUSTED) == "1.1.1.1"


def test_the_last_element_of_forwarded_has_its_parameters() -> None:
    assert last_forwarded('for=1.1.1.1, Host="a.example:1";proto=https;;for=2.2.2.2') == {
        "host": "a.example:1",
        "proto": "https",
        "for": "2.2.2.2",
    }
    assert last_forwarded("") == last_forwarded("for") == last_forwarded('for="a') == {}


@given(st.text(max_size=60) | st.text('",;\\= for1.:[]', max_size=60), st.text(max_size=20))
def test_there_is_a_client_address_whatever_is_forwarded(forwarded: str, forwarded_for: str) -> None:
    for fields in ((forwarded_for, ""), ("", forwarded)):
        client = client_address("10.0.0.1", *fields, TRUSTED)
        assert plain_address(client) == client


@given(st.text(max_size=60) | st.text('",;\\= for1.:[]', max_size=60))
def test_the_element_of_the_proxy_counts_whatever_a_client_has_written_before_it(forwarded: str) -> None:
    assert client_address("10.0.0.1", "", f"{forwarded}, for=192.0.2.7", TRUSTED) == "192.0.2.7"
    assert client_address("10.0.0.1", "", f'{forwarded}, for="[2001:db8::7]:1"', TRUSTED) == "2001:db8::7"

"""Listening sockets: every address of a host, and `::` for IPv4 too."""

from __future__ import annotations

import socket

import pytest

from gateway.event_loop import listening
from tests.support.ports import free_port


def answers(bound: list[socket.socket], address: str) -> bool:
    """Return True if a client connects to this address."""
    try:
        socket.create_connection((address, bound[0].getsockname()[1]), timeout=30).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "answering"),
    [
        ("::", {"127.0.0.1", "::1"}),
        ("0:0:0:0:0:0:0:0", {"127.0.0.1", "::1"}),
        ("0.0.0.0", {"127.0.0.1"}),
        ("::1", {"::1"}),
        ("127.0.0.1", {"127.0.0.1"}),
    ],
)
def test_a_host_is_served_on_its_addresses(host: str, answering: set[str]) -> None:
    bound = listening.bind(host, free_port())
    try:
        for each in bound:
            each.listen()
        assert {address for address in ("127.0.0.1", "::1") if answers(bound, address)} == answering
    finally:
        listening.close_all(bound)


def test_a_port_can_be_shared_only_if_all_ask_for_it() -> None:
    first = listening.bind("::", 0, reuse_port=True)
    port = first[0].getsockname()[1]
    second = listening.bind("::", port, reuse_port=True)
    first[0].listen()
    with pytest.raises(OSError, match="in use"):
        listening.bind("::", port)
    listening.close_all([*first, *second])


def test_an_ipv4_server_occupies_the_port_of_every_address() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken, pytest.raises(OSError, match="in use"):
        listening.bind("::", taken.getsockname()[1])


def test_an_address_family_that_is_not_available_is_left_out_unless_it_is_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    missing = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [missing, there])
    [bound] = listening.bind("localhost", 0)
    assert bound.getsockname()[0] == "127.0.0.1"
    bound.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [missing])
    with pytest.raises(OSError, match="Cannot assign"):
        listening.bind("localhost", 0)

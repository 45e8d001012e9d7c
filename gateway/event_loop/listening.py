"""Sockets of servers, bound to every address of a host.

An event loop given the host `::` would take IPv6 connections alone; here it means every address, IPv4 included.
"""

from __future__ import annotations

import errno
import socket

_UNAVAILABLE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address family that this machine does not have."""


def bind(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Return a bound socket for each address of a host name; they do not listen yet. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    unavailable: OSError | None = None
    try:
        for family, _, protocol, _, address in dict.fromkeys(found):
            try:
                bound.append(_bind(family, protocol, address, reuse_port=reuse_port))
            except OSError as error:
                if error.errno not in _UNAVAILABLE:
                    raise
                unavailable = error
        if unavailable is not None and not bound:
            raise unavailable
    except BaseException:
        close_all(bound)
        raise
    return bound


def close_all(sockets: list[socket.socket]) -> None:
    """Close sockets; one that is closed already stays so."""
    for each in sockets:
        each.close()


def _bind(family: int, protocol: int, address: tuple[object, ...], *, reuse_port: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener

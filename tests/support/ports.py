"""TCP ports for servers under test."""

from __future__ import annotations

import random
import socket

_NOT_EPHEMERAL = range(10_000, 32_000)
"""Ports that the system gives neither to outgoing connections nor to servers that ask for any port."""
_given: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens, another one each time."""
    while True:
        port = random.choice(_NOT_EPHEMERAL)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

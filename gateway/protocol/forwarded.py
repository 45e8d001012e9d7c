"""The client's address behind trusted proxies: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

The rules:

- The fields are used only if the peer is a trusted proxy. They are read from the right, since the client may have
  written what stands left of an untrusted address, up to the first untrusted or invalid address. The last valid one
  counts.
- `Forwarded` is used only if there is no `X-Forwarded-For`: most proxies set the latter and pass on whatever the client
  sends in the former.
- An address may have a port; `[` and `]` enclose an IPv6 address. An IPv4-mapped IPv6 address is an IPv4 address.
  `unknown` and obfuscated identifiers (`_hidden`) are no addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SOURCE_PREFIX = 64
"""Bits of an IPv6 network that counts as one source: the smallest that one subscriber gets."""
_MAPPED_PREFIX = 96
"""Length of the prefix of IPv4-mapped IPv6 addresses."""
_PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?"
_IPV4_WITH_PORT = re.compile(r"([0-9.]+)" + _PORT)
_IPV6_IN_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]" + _PORT)
_PAIR = re.compile(
    r"[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=" + r'(?:"((?:[^"\\]|\\.)*)"|([^ \t";,]*)))?[ \t]*(?:;|\Z)', re.DOTALL
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def client_address(peer: str, forwarded_for: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the address of the client: the peer's or, behind trusted proxies, the one that they name.

    `forwarded_for` and `forwarded` are the values of the fields, of which repeated ones are joined with commas.
    """
    address = plain_address(peer) or peer
    if not is_trusted(address, trusted):
        return address
    for hop in _hops(forwarded_for, forwarded):
        if not hop:
            break
        address = hop
        if not is_trusted(address, trusted):
            break
    return address


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Return True if an address is in one of the networks."""
    if not trusted:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def parse_network(text: str) -> Network:
    """Parse an address or a network; one of IPv4-mapped IPv6 addresses is a network of IPv4. Raises `ValueError`."""
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_PREFIX:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
    return network


def plain_address(text: str) -> str:
    """Return an address in canonical form, an IPv4-mapped IPv6 address as IPv4; empty if it is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return ""
        return str(address.ipv4_mapped or address)
    return str(address)


def source_of(address: str) -> str:
    """Return what limits per address count: an IPv4 address, or the network of an IPv6 address.

    A text that is not an address is returned unchanged.
    """
    try:
        parsed = ipaddress.ip_address(plain_address(address.partition("%")[0]))
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, SOURCE_PREFIX), strict=False))


def last_forwarded(forwarded: str) -> dict[str, str]:
    """Return the parameters of the last element of `Forwarded`, by lower-case name; empty if it is malformed."""
    return _parameters(next(_elements(forwarded)))


def _hops(forwarded_for: str, forwarded: str) -> Iterator[str]:
    """Yield the addresses that proxies have added, last first; an empty text for something else."""
    if forwarded_for.strip(" \t"):
        for node in reversed(forwarded_for.split(",")):
            yield _node_address(node.strip(" \t"))
    elif forwarded.strip(" \t"):
        for element in _elements(forwarded):
            yield _node_address(_parameters(element).get("for", ""))


def _node_address(node: str) -> str:
    match = _IPV6_IN_BRACKETS.fullmatch(node) or _IPV4_WITH_PORT.fullmatch(node)
    return plain_address(match[1] if match else node)


def _elements(value: str) -> Iterator[str]:
    """Yield the elements of `Forwarded`, last first, whatever a client has written before them."""
    end = len(value)
    is_quoted = False
    for position in range(end - 1, -1, -1):
        if value[position] == '"':
            is_quoted ^= not _is_escaped(value, position)
        elif value[position] == "," and not is_quoted:
            yield value[position + 1 : end]
            end = position
    yield value[:end]


def _is_escaped(value: str, position: int) -> bool:
    """Return True if an odd number of backslashes precedes a position."""
    start = position
    while start > 0 and value[start - 1] == "\\":
        start -= 1
    return (position - start) % 2 == 1


def _parameters(element: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(element):
        pair = _PAIR.match(element, position)
        if pair is None or (pair[1] and pair[1].lower() in found):
            return {}
        if pair[1]:
            found[pair[1].lower()] = pair[3] if pair[2] is None else _QUOTED_PAIR.sub(r"\1", pair[2])
        position = pair.end()
    return found

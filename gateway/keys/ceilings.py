"""Ceilings: the restrictions that an admin has set on a key, which its owner may narrow and not widen.

- A restriction without a value in the ceiling is free.
- A number or an end must not be above that of the ceiling.
- Each glob of `tool_rate_limits` must be in the new ones, with a number that is not above; further globs are free.
- Tables must be among those of the ceiling, in any case; each network must be within one of the ceiling's.
- Each glob must be covered by one glob of the ceiling: it is the same, or it has no wildcard and matches, or it begins
  with the text before the only wildcard of the ceiling's, a `*` at its end. Other globs count as wider.

Pure: does no I/O.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import msgspec

from gateway.keys.record import KeyRestrictions
from gateway.protocol.forwarded import parse_network
from gateway.timestamps import DAY_MS, format_rfc3339

_WILDCARDS = frozenset("*?[")


class AboveCeiling(Exception):
    """A change would widen a key beyond its ceiling; `problems` has the largest allowed value of each field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{field} {problem}" for field, problem in problems.items()))


def narrowed(ceiling: KeyRestrictions | None, fields: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Return the fields if all are within the ceiling. Raises `AboveCeiling`.

    An end is chosen in whole days from now: one that is less than a day later than the ceiling's becomes that.
    """
    fields = dict(fields)
    if ceiling is None:
        return fields
    end, last = fields.get("expires_at"), ceiling.expires_at
    if end is not None and last is not None and last < end < last + DAY_MS:
        fields["expires_at"] = last
    if above := _fields_above(ceiling, fields):
        raise AboveCeiling({name: _RULES[name].requirement(getattr(ceiling, name), now_ms) for name in above})
    return fields


def moved(ceiling: KeyRestrictions | None, fields: Mapping[str, Any]) -> KeyRestrictions | None:
    """Return the ceiling with the values of these fields."""
    restrictions = {name: value for name, value in fields.items() if name in _RULES}
    result = msgspec.structs.replace(ceiling or KeyRestrictions(), **restrictions)
    return None if result == KeyRestrictions() else result


def lifted(ceiling: KeyRestrictions | None, fields: Mapping[str, Any]) -> KeyRestrictions | None:
    """Return the ceiling with the values of those of the fields that are above it."""
    if ceiling is None:
        return None
    return moved(ceiling, {name: fields[name] for name in _fields_above(ceiling, fields)})


def values(restrictions: KeyRestrictions) -> dict[str, Any]:
    """Return all restrictions, with the end as text; `None` for those that do not apply."""
    found = {name: getattr(restrictions, name) for name in KeyRestrictions.__struct_fields__}
    return {**found, "expires_at": format_rfc3339(restrictions.expires_at)}


def set_values(restrictions: KeyRestrictions | None) -> dict[str, Any]:
    """Return the restrictions that have a value, with the end as text."""
    found = values(restrictions) if restrictions is not None else {}
    return {name: value for name, value in found.items() if value is not None and value is not False}


def _fields_above(ceiling: KeyRestrictions, fields: Mapping[str, Any]) -> list[str]:
    def is_above(name: str) -> bool:
        limit = getattr(ceiling, name)
        return limit not in (None, False) and (fields[name] is None or not _RULES[name].covers(limit, fields[name]))

    return [name for name in fields if name in _RULES and is_above(name)]


def _covers_tables(allowed: tuple[str, ...], tables: tuple[str, ...]) -> bool:
    return {table.casefold() for table in tables} <= {table.casefold() for table in allowed}


def _covers_networks(allowed: tuple[str, ...], networks: tuple[str, ...]) -> bool:
    return all(any(_is_within(network, outer) for outer in allowed) for network in networks)


def _is_within(network: str, outer: str) -> bool:
    inner_network, outer_network = parse_network(network), parse_network(outer)
    if isinstance(inner_network, ipaddress.IPv4Network) and isinstance(outer_network, ipaddress.IPv4Network):
        return inner_network.subnet_of(outer_network)
    if isinstance(inner_network, ipaddress.IPv6Network) and isinstance(outer_network, ipaddress.IPv6Network):
        return inner_network.subnet_of(outer_network)
    return False


def _covers_globs(allowed: tuple[str, ...], globs: tuple[str, ...]) -> bool:
    return all(any(_covers_glob(outer, glob) for outer in allowed) for glob in globs)


def _covers_glob(outer: str, glob: str) -> bool:
    if glob == outer:
        return True
    if _WILDCARDS.isdisjoint(glob):
        return fnmatchcase(glob, outer)
    prefix = outer[:-1]
    return outer.endswith("*") and _WILDCARDS.isdisjoint(prefix) and glob.startswith(prefix)


def _covers_rates(most: Mapping[str, int], rates: Mapping[str, int]) -> bool:
    return all(glob in rates and rates[glob] <= calls for glob, calls in most.items())


def _rates(most: Mapping[str, int], _: int) -> str:
    return "must have " + ", ".join(f"{glob} with at most {calls}" for glob, calls in most.items())


def _end(last: int, now_ms: int) -> str:
    days = -((now_ms - last) // DAY_MS)
    if days < 1:
        return f"must not be changed: the key ended on {format_rfc3339(last)}"
    return f"must be at most {days}: the key ends on {format_rfc3339(last)} at the latest"


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values) or "an empty list"


class _Rule(NamedTuple):
    covers: Callable[[Any, Any], bool]
    """Takes the ceiling's value and another one; returns True if the other one is not wider."""
    requirement: Callable[[Any, int], str]
    """Returns the largest allowed value as the end of a sentence, from the ceiling's value and the time."""


_NUMBER = _Rule(lambda limit, value: value <= limit, lambda limit, _: f"must be at most {limit}")

_RULES: Mapping[str, _Rule] = {
    "expires_at": _Rule(lambda last, end: end <= last, _end),
    "allowed_tools": _Rule(_covers_globs, lambda globs, _: f"must be covered by {_listed(globs)}"),
    "allowed_tables": _Rule(_covers_tables, lambda tables, _: f"must be among {_listed(tables)}"),
    "allowed_ips": _Rule(_covers_networks, lambda networks, _: f"must be within {_listed(networks)}"),
    "read_only": _Rule(lambda _, value: value, lambda _1, _2: "must be true"),
    "rate_limit_per_minute": _NUMBER,
    "records_per_day": _NUMBER,
    "calls_per_day": _NUMBER,
    "records_per_month": _NUMBER,
    "calls_per_month": _NUMBER,
    "tool_rate_limits": _Rule(_covers_rates, _rates),
    "max_concurrent": _NUMBER,
}
"""The rules by field; each field of `KeyRestrictions` has one."""

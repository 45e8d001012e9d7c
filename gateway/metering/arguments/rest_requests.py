"""The tables of a request to an HTTP interface of a database, as PostgREST and OData have it.

The arguments hold a method and a path: `{"method": "GET", "path": "/orders?select=id,items(name)&id=gt.5"}`. The first
segment of the path is the table; relations in `select` are tables too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway.metering.vocabulary.names import word_set
from gateway.metering.vocabulary.tools import tool_words

_METHODS = {"get": False, "head": False, "post": True, "put": True, "patch": True, "delete": True}
"""HTTP methods, and True for those that write."""
_TOOL_WORDS = word_set("postgrest odata")
_PATH = re.compile(r"/?(?:rest/v\d/)?([a-z_]\w{0,62})(?:\((?:'?[\w-]{1,64}'?)\))?(?:\?(.{0,2000}))?\Z", re.IGNORECASE)
_FILTER = re.compile(
    r"(?:^|&)(?:\$?select=|\$filter=|\$expand=|\w{1,63}=(?:not\.)?(?:eq|neq|gte?|lte?|i?like|in|is)\.)"
)
_SELECT = re.compile(r"(?:^|&)select=([^&]*)")
_RELATION = re.compile(r"(?<![\w.])(\w{1,63})(?:!\w{1,63})?\((?!\))")


class RestRequest(msgspec.Struct, frozen=True):
    """The tables of a request, and whether it writes the first."""

    tables: tuple[str, ...]
    is_write: bool


def read(tool: str, values: Mapping[str, str]) -> RestRequest | None:
    """Return the request among arguments (normalized names); `None` if there is none."""
    method = values.get("method") or values.get("httpmethod")
    if not method:
        return None
    is_write = _METHODS.get(method.lower())
    path = values.get("path") or values.get("endpoint") or ""
    if is_write is None or not (match := _PATH.match(path)):
        return None
    table, query = match[1], match[2] or ""
    if _TOOL_WORDS.isdisjoint(tool_words(tool)) and not _FILTER.search(query):
        return None
    select = _SELECT.search(query)
    relations = _RELATION.findall(select[1]) if select else []
    return RestRequest((table.lower(), *(name.lower() for name in relations)), is_write)

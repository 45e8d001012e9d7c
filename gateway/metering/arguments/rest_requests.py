"""HTTP requests among arguments: whether one writes, and the tables of an interface such as PostgREST or OData.

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
_REQUEST_WORDS = word_set("request api http rest endpoint")
_PATH_ARGUMENTS = ("path", "endpoint", "url", "uri", "route")
_QUERY_WORDS = word_set("search query find filter list graphql rpc execute sql aggregate count read get batch run")
_WORD = re.compile(r"[a-z]+")
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
    is_write = _METHODS.get(_method(values))
    path = values.get("path") or values.get("endpoint") or ""
    if is_write is None or not (match := _PATH.match(path)):
        return None
    table, query = match[1], match[2] or ""
    if _TOOL_WORDS.isdisjoint(tool_words(tool)) and not _FILTER.search(query):
        return None
    select = _SELECT.search(query)
    relations = _RELATION.findall(select[1]) if select else []
    return RestRequest((table.lower(), *(name.lower() for name in relations)), is_write)


def is_request(tool: str) -> bool:
    """Return True if the paths among the arguments of a tool are those of requests, and not of files."""
    return not _REQUEST_WORDS.isdisjoint(tool_words(tool))


def is_write(values: Mapping[str, str]) -> bool:
    """Return True if the arguments (normalized names) hold an HTTP request that writes; a `POST` may be a query."""
    method = _method(values)
    path = next((values[name] for name in _PATH_ARGUMENTS if values.get(name)), "")
    if not path or not _METHODS.get(method):
        return False
    return method != "post" or _QUERY_WORDS.isdisjoint(_WORD.findall(path[:500].lower()))


def _method(values: Mapping[str, str]) -> str:
    return (values.get("method") or values.get("httpmethod") or "").lower()

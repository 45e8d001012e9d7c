"""HTTP requests among arguments: the tables in their paths, whether they write, and texts that may be parts of one.

A request has a method and a path, as arguments or as a console text: `GET /orders/_search`. The table is

- of PostgREST, the first segment; relations in `select` are tables too: `/orders?select=id,items(name)`;
- of OData, each segment that is an entity set or a relation, and what is expanded: `/Orders(1)/Items?$expand=Product`;
- of Elasticsearch, the segment before the endpoint: `/orders/_search`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from gateway.metering.vocabulary.arguments import REQUEST_PATH_ARGUMENTS
from gateway.metering.vocabulary.names import word_set
from gateway.metering.vocabulary.tools import tool_words

_METHODS = {"get": False, "head": False, "post": True, "put": True, "patch": True, "delete": True}
"""HTTP methods, and True for those that write."""
_INTERFACE_WORDS = word_set("postgrest odata")
_REQUEST_WORDS = word_set("request api http rest endpoint")
_QUERY_WORDS = word_set(
    "search msearch query find filter list graphql rpc execute sql aggregate count read get mget batch run"
)
_WORD = re.compile(r"[a-z]+")
_MAX_PATH = 2_500
"""Characters of a path; a longer one names no table."""
_PREFIX = re.compile(
    r"(?:https?://[^/?]{1,200})?/*+(?:(?:[\w.-]{1,40}/){0,5}?(?:rest/v\d|odata(?:/v\d(?:\.\d)?)?|data/v\d{1,2}\.\d)/)?"
)
_INDEX = re.compile(r"([^/_][^/]*)/_[a-z]")
_ENTITY = r"[a-z_]\w{0,62}(?:\([^()/]{0,80}\))?"
_ENTITIES = re.compile(rf"({_ENTITY}(?:/{_ENTITY}){{0,4}})(?:/\$\w{{1,20}})?\Z", re.IGNORECASE)
_KEY = re.compile(r"\([^()]*\)")
_FILTER = re.compile(
    r"(?:^|&)(?:\$?select=|\$(?:filter|expand|top)=|\w{1,63}=(?:not\.)?(?:eq|neq|gte?|lte?|i?like|in|is)\.)"
)
_SELECT = re.compile(r"(?:^|&)select=([^&]*)")
_RELATION = re.compile(r"(?<![\w.])(\w{1,63})(?:!\w{1,63})?\((?!\))")
_EXPAND = re.compile(r"\$expand=([^&]*)")
_OTHER_OPTION = re.compile(r"\$(?!expand)\w{1,20}=[^;)&]*")
_EXPANDED = re.compile(r"(?:\A|[,/=])\s*([A-Za-z_]\w{0,62})")
_METHOD = "|".join(_METHODS).upper()
_CONSOLE_START = re.compile(rf"(?:\s*#[^\n]*\n)*\s*({_METHOD})[ \t]+(/?[^\s]*/_[a-z]\S*)", re.IGNORECASE)
_CONSOLE = re.compile(
    rf"(?:\A\ufeff?|[\n\r])[ \t]*(?:(?:{_METHOD})[ \t]+[\w.,*<>/?_$-]\S*"
    rf"|(?i:{_METHOD})[ \t]+(?:[/_]\S*|\S{{0,200}}/_\S*))"
    r"[ \t]*(?:[\n\r{]|HTTP/|\Z)"
)
_ENDPOINT = re.compile(
    r"(?:\A|/)(?:_(?:m?search|async_search|mget|count|doc|source|sql|eql|esql|query|bulk|update|reindex|update_by_query|"
    r"delete_by_query|m?termvectors|terms_enum|field_caps|explain|cat|mapping|all_docs|find|design|view|changes)"
    r"|\$(?:batch|count|crossjoin|entity|all|ref|links|value|root|it))(?![\w-])"
)
"""A path of Elasticsearch, CouchDB or OData."""
_ENTITY_RELATION = re.compile(r"\w\([^()\s]{1,80}\)/[A-Za-z$]")
_OPTION = re.compile(
    r"(?:\A|[?&;])\s*\$?(?:expand|apply|compute|embed(?:ded|s)?|includes?|populate|joins?|union|lookup|with|relations?)"
    r"\s*(?:\[[^=&]{0,80})?=\s*[^&\s]",
    re.IGNORECASE,
)
_SELECT_OPTION = re.compile(r"(?:\A|[?&;])\s*\$?select\s*=([^&]*)", re.IGNORECASE)
_AGGREGATE = re.compile(r"\b(?:count|\w{1,63}\.(?:sum|avg|min|max|count))\(\)")
_NAVIGATION = re.compile(
    r"\b\w{1,63}/(?:any|all)\s*\(|\b[A-Za-z_]\w{0,62}/\w{1,63}\s+(?:eq|ne|gt|ge|lt|le|in)\b|[\w)]/\$count\b|\$root/"
)
_MAX_ESCAPES = 200
"""Characters of a text that are percent-encoded; one with more is not read."""
_MAX_DECODING = 3


class RestRequest(msgspec.Struct, frozen=True):
    """The tables of a request, and whether it writes the first. A request may reach others as well."""

    tables: tuple[str, ...]
    is_write: bool


def read(tool: str, values: Mapping[str, str]) -> RestRequest | None:
    """Return the request among arguments (normalized names); `None` if there is none."""
    is_of_interface = not _INTERFACE_WORDS.isdisjoint(tool_words(tool))
    method, path = _method(values), _path(values)
    if method not in _METHODS or not path:
        consoles = (_CONSOLE_START.match(value, 0, _MAX_PATH) for value in values.values() if "/_" in value)
        found = next(filter(None, consoles), None)
        if found is None:
            return RestRequest((), is_write=False) if path and (is_of_interface or is_request(tool)) else None
        method, path = found[1].lower(), found[2]
    names = _tables(path, is_of_interface=is_of_interface) if len(path) <= _MAX_PATH else []
    return RestRequest(tuple(name.lower() for name in names), _is_write(method, path))


def _tables(path: str, *, is_of_interface: bool) -> list[str]:
    path, _, query = unquote(path).partition("?")
    path = _PREFIX.sub("", path, count=1).rstrip("/")
    if (index := _INDEX.match(path)) is not None:
        return index[1].split(",")
    if (entities := _ENTITIES.match(path)) is None:
        return []
    names = _KEY.sub("", entities[1]).split("/")
    has_key = "(" in path or "$" in path
    if not (is_of_interface or has_key or _FILTER.search(query)) or (len(names) > 1 and not has_key):
        return []
    select = _SELECT.search(query)
    expand = _EXPAND.search(_OTHER_OPTION.sub("", query))
    names += _RELATION.findall(select[1]) if select else []
    return names + (_EXPANDED.findall(expand[1]) if expand else [])


def is_request(tool: str) -> bool:
    """Return True if the paths among the arguments of a tool are those of requests, and not of files."""
    return not _REQUEST_WORDS.isdisjoint(tool_words(tool))


def is_write(values: Mapping[str, str]) -> bool:
    """Return True if the arguments (normalized names) hold an HTTP request that writes; a `POST` may be a query."""
    path = _path(values)
    return bool(path) and _is_write(_method(values), path)


def _is_write(method: str, path: str) -> bool:
    if not _METHODS.get(method):
        return False
    return method != "post" or _QUERY_WORDS.isdisjoint(_WORD.findall(path[:500].lower()))


def _method(values: Mapping[str, str]) -> str:
    return (values.get("method") or values.get("httpmethod") or "").lower()


def _path(values: Mapping[str, str]) -> str:
    paths = [values[name] for name in REQUEST_PATH_ARGUMENTS if values.get(name)]
    return paths[0] if paths else ""


def is_request_text(text: str) -> bool:
    """Return True for a console text, and for the path of a request that names its tables."""
    has_path = "/" in text or text[:1] in ("_", "$")
    if has_path and (_ENDPOINT.search(text) or (_ENTITY_RELATION.search(text) and not any(map(str.isspace, text)))):
        return True
    return _CONSOLE.search(text) is not None


def holds_options(text: str) -> bool:
    """Return True for options of a request that bring in another table: `select=*,other(*)`, `orders/any(…)`."""
    if text.count("%") > _MAX_ESCAPES:
        return True
    for _ in range(_MAX_DECODING):
        if "%" not in text:
            break
        text = unquote(text)
    if "/" in text and _NAVIGATION.search(text):
        return True
    if "=" not in text:
        return False
    return _OPTION.search(text) is not None or any(
        "(" in _AGGREGATE.sub("", selected) or "/" in selected for selected in _SELECT_OPTION.findall(text)
    )

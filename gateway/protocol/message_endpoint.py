"""The address that an upstream of the HTTP+SSE transport (2024-11-05) names for the messages of a session.

The rules:

- Clients are told the gateway's own path, with the query that the upstream named, so that the session keeps its id.
- What is sent upstream is what the upstream named, never what a client says: the path is kept with the session, and so
  is a digest of the query, which the client's has to equal.
- Only a path of the upstream itself is taken. Where the session's id is in no known parameter of the query, the client
  is told an id of the gateway's own.

Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

MAX_SESSION_ID = 256
"""Characters of a session id; the specification says visible ASCII, and servers send 32 to 64."""

_URL = re.compile(r"[!-~]{1,2048}")
_SEPARATOR = re.compile(r"[&;]")
_SESSION_ID = re.compile(r"[!-~]+")


class ForeignEndpoint(ValueError):
    """The address is none, or none of the upstream."""


class QueryFault(ValueError):
    """Two readers of the query could disagree on the session that it names."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where the messages of a session go."""

    session_id: str
    query: str
    """What the client sends behind the gateway's path."""
    path: str
    """The upstream's; with its own query where the client's is not sent on."""
    query_digest: str
    """Of the query that is sent on; empty where none is."""


def read_endpoint(data: bytes, asked: str, origins: Sequence[tuple[str, str]], new_id: Callable[[], str]) -> Endpoint:
    """What the `endpoint` event of an upstream says, that was asked for under the path `asked`.

    `origins` are the schemes and authorities under which the upstream knows itself; under the first it was asked.
    Raises `ForeignEndpoint`.
    """
    scheme, authority = origins[0]
    try:
        text = data.decode("ascii").strip()
        parts = urlsplit(urljoin(f"{scheme}://{authority}{asked}", text)) if _URL.fullmatch(text) else None
        session_id = session_id_in(parts.query) if parts is not None else None
    except ValueError:
        parts = None
    if parts is None or not parts.path.startswith("/") or "\\" in text:
        raise ForeignEndpoint("the upstream names no address for the messages of a session")
    if (parts.scheme, parts.netloc) not in origins:
        raise ForeignEndpoint("the upstream names an address for messages that is not its own")
    if session_id is not None and len(session_id) <= MAX_SESSION_ID:
        return Endpoint(session_id, parts.query, parts.path, digest(parts.query))
    session_id = new_id()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Endpoint(session_id, f"sessionId={session_id}", target, "")


def session_id_in(query: str) -> str | None:
    """The session that a query names (`session_id`, `sessionId`); `None` where it names none. Raises `QueryFault`."""
    found = None
    for part in _SEPARATOR.split(query):
        name, _, value = part.partition("=")
        if unquote(name).lower().translate(_WITHOUT_SIGNS) == "sessionid":
            if found is not None:
                raise QueryFault("The query names two sessions")
            found = unquote(value)
            if not _SESSION_ID.fullmatch(found):
                raise QueryFault("The session in the query is not visible ASCII")
    return found


def digest(query: str) -> str:
    """Tells equal queries without keeping them."""
    return hashlib.sha256(query.encode()).hexdigest()


_WITHOUT_SIGNS = str.maketrans("", "", "_-+ ")

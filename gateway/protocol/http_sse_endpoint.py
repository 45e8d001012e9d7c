"""The message endpoint of the HTTP+SSE transport (2024-11-05): the address to which a client posts its messages.

The rules:

- Clients get the gateway's own path, as they see it, with the query that the upstream announced, so that the session
  keeps its id.
- Requests are forwarded to the path that the upstream announced, never to one that a client names: the path is stored
  with the session, and so is a digest of the query, which the client's query must match.
- Only addresses of the upstream itself are accepted, in any spelling. If the session id is in no known parameter of the
  query, clients get an id made by the gateway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

MAX_SESSION_ID = 256
"""Maximum characters of a session id; the specification requires visible ASCII, and servers send 32 to 64."""

_URL = re.compile(r"[!-~]{1,2048}")
_SEPARATOR = re.compile(r"[&;]")
_SESSION_ID = re.compile(r"[!-~]+")
_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "0.0.0.0", "[::]"})  # noqa: S104
"""Names by which a server on this machine announces itself, besides `localhost`."""
_WITHOUT_SIGNS = str.maketrans("", "", "_-+ ")


class InvalidEndpoint(ValueError):
    """The announced address is invalid, or not an address of the upstream."""


class AmbiguousQuery(ValueError):
    """Two parsers could find different session ids in the query."""


class Endpoint(msgspec.Struct, frozen=True):
    """The message endpoint of a session."""

    session_id: str
    query: str
    """The query that the client sends with the gateway's path."""
    path: str
    """The upstream's path; with the upstream's query if the client's is not forwarded."""
    forwards_query: bool
    """True if the client's query is forwarded to the upstream."""


def parse_endpoint(
    data: bytes, request_path: str, origins: Sequence[tuple[str, str]], new_id: Callable[[], str]
) -> Endpoint:
    """Parse the `endpoint` event that the upstream sent in response to a GET of `request_path`.

    `origins` are the schemes and authorities by which the upstream knows itself, the first being that of the GET.
    `new_id` makes a session id if the address has none. Raises `InvalidEndpoint`.
    """
    scheme, authority = origins[0]
    try:
        text = data.decode("ascii").strip()
        parts = urlsplit(urljoin(f"{scheme}://{authority}{request_path}", text)) if _URL.fullmatch(text) else None
        session_id = find_session_id(parts.query) if parts is not None else None
    except ValueError:
        parts = None
    if parts is None or not parts.path.startswith("/") or "\\" in text:
        raise InvalidEndpoint("the upstream announced an invalid message endpoint")
    if _origin(parts.scheme, parts.netloc) not in {_origin(*origin) for origin in origins}:
        raise InvalidEndpoint("the upstream announced a message endpoint on another server")
    if session_id is not None and len(session_id) <= MAX_SESSION_ID:
        return Endpoint(session_id, parts.query, parts.path, True)
    session_id = new_id()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Endpoint(session_id, f"sessionId={session_id}", target, False)


def _origin(scheme: str, authority: str) -> tuple[str, str]:
    """Return an origin in one spelling: lower case, with a port, and with one name for the loopback interface."""
    host, colon, port = authority.lower().rpartition(":")
    if not (colon and port.isdigit()):
        host, port = authority.lower(), "443" if scheme == "https" else "80"
    return scheme, f"{'localhost' if host in _LOOPBACK else host}:{port}"


def find_session_id(query: str) -> str | None:
    """Return the session id in a query (`session_id`, `sessionId`), or `None`. Raises `AmbiguousQuery`."""
    found = None
    for part in _SEPARATOR.split(query):
        name, _, value = part.partition("=")
        if unquote(name).lower().translate(_WITHOUT_SIGNS) == "sessionid":
            if found is not None:
                raise AmbiguousQuery("The query names two sessions")
            found = unquote(value)
            if not _SESSION_ID.fullmatch(found):
                raise AmbiguousQuery("The session in the query is not visible ASCII")
    return found

"""One endpoint as a value: the routes and the OpenAPI document are both made from these.

The way of a request through an endpoint: who asks → what was given, read into the endpoint's struct → the
handler → its answer as JSON. Refusals are raised and become an answer in one place, `admin_api.app`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec
from aiohttp import hdrs, web

from admin_api.dependencies import Dependencies
from admin_api.http.addresses import client_address
from admin_api.http.decoding import FieldFault, InvalidFields, read_json, read_query
from admin_api.http.download import Download
from admin_api.http.problem import Problem
from gateway.accounts.users import User

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_SECONDS = 30.0

Access = Literal["open", "user", "admin"]
Given = TypeVar("Given", bound=msgspec.Struct)


class Nothing(msgspec.Struct, frozen=True):
    """For endpoints that take nothing."""


@dataclass(frozen=True)
class Caller:
    """Who makes the request, and from where."""

    address: str
    host: str
    """The host name that the client used for this API."""
    signed_in: User | None = None

    @property
    def user(self) -> User:
        """The user; only endpoints that need a token may ask."""
        if self.signed_in is None:
            raise RuntimeError("an open endpoint asked for the user")
        return self.signed_in


@dataclass(frozen=True)
class Endpoint(Generic[Given]):
    """A path with one method, what it takes (a query for GET, else a JSON body), and what it answers."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    access: Access
    takes: type[Given]
    handler: Callable[[Dependencies, Caller, Given], Awaitable[msgspec.Struct | Download]]
    answers: type[msgspec.Struct] | tuple[str, ...]
    """A struct, or the media types of a download."""
    status: int = 200
    refusals: tuple[int, ...] = ()
    """Statuses of its own, beside those that its access and its input bring."""
    too_large: str | None = None
    """The field to blame, with 400, for a body that is too large."""

    async def __call__(self, deps: Dependencies, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        signed_in = None if self.access == "open" else await authenticate(deps, request)
        if self.access == "admin" and signed_in is not None and not signed_in.is_admin:
            raise Problem(403, "Only an admin may do this.")
        caller = Caller(_address(deps, request), request.url.host or "localhost", signed_in)
        answer = await self.handler(deps, caller, await self._given(request))
        if isinstance(answer, Download):
            return await answer.send(request)
        return web.Response(status=self.status, body=msgspec.json.encode(answer), content_type="application/json")

    async def _given(self, request: web.Request) -> Given:
        if self.method == "GET":
            return read_query(self.takes, request.query.items())
        return read_json(self.takes, await self._body(request))

    async def _body(self, request: web.Request) -> bytes:
        if request.content_type != "application/json":
            raise Problem(415, "Send a JSON body with Content-Type: application/json.")
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            raise Problem(415, "Send the body without Content-Encoding.")
        try:
            if (request.content_length or 0) > MAX_BODY_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise self._too_large() from None
        except TimeoutError:
            raise Problem(408, "The request body took too long to arrive.") from None

    def _too_large(self) -> Problem:
        limit = f"is too large: a request body has at most {MAX_BODY_BYTES} bytes"
        if self.too_large is None:
            return Problem(413, f"The body {limit}.")
        raise InvalidFields([FieldFault(self.too_large, limit)])


async def authenticate(deps: Dependencies, request: web.Request) -> User:
    """The user whose token the request carries. Raises `Problem` 401, the same for every flaw of a token."""
    values = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not values:
        raise _unauthorized("Log in first: send Authorization: Bearer with the token of /api/auth/login.", "")
    scheme, _, token = values[0].partition(" ")
    claims = deps.tokens.verify(token.strip()) if len(values) == 1 and scheme.lower() == "bearer" else None
    user = None if claims is None else await deps.users.get(claims.sub)
    if claims is None or user is None or user.disabled or user.password_changed_at != claims.pwd:
        raise _unauthorized("Invalid or expired token; log in again.", ', error="invalid_token"')
    return user


def _unauthorized(detail: str, error: str) -> Problem:
    return Problem(401, detail, headers={hdrs.WWW_AUTHENTICATE: f'Bearer realm="admin"{error}'})


def _address(deps: Dependencies, request: web.Request) -> str:
    forwarded_for = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    return client_address(request.remote or "", forwarded_for, deps.trusted_proxies)

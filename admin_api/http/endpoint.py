"""One endpoint as a value, from which both the routes and the OpenAPI document are made.

A request passes these steps: authentication, decoding of the input into the endpoint's struct, the handler, encoding of
its result as JSON. Errors are raised; `admin_api.app` turns them into responses in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec
from aiohttp import hdrs, web

from admin_api.dependencies import Dependencies
from admin_api.http.decoding import FieldFault, InvalidFields, decode_json, decode_query
from admin_api.http.download import Download
from admin_api.http.problem import Problem
from gateway.accounts.user import Role, User
from gateway.protocol.forwarded import client_address

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_SECONDS = 30.0

Access = Literal["open", "user", "member", "auditor", "admin"]
"""Everybody, or users with a token: of any role, members and admins (who may change keys), auditors and admins (who may
read everything), or admins."""
Params = TypeVar("Params", bound=msgspec.Struct)


_REFUSED: Mapping[Access, Mapping[Role, str]] = {
    "member": {"auditor": "An auditor may read everything and change nothing."},
    "auditor": {"member": "Only an admin or an auditor may do this."},
    "admin": {"member": "Only an admin may do this.", "auditor": "Only an admin may do this."},
}
"""The reasons of the 403s, by access and role."""


class Nothing(msgspec.Struct, frozen=True):
    """The input of endpoints without parameters."""


@dataclass(frozen=True)
class ApiCaller:
    """The client of a request and, if it sent a token, its user."""

    address: str
    host: str
    """The host name by which the client reached this API."""
    authenticated_user: User | None = None

    @property
    def user(self) -> User:
        """Return the user. Only for handlers of endpoints that require a token."""
        if self.authenticated_user is None:
            raise RuntimeError("an endpoint without authentication has no user")
        return self.authenticated_user


@dataclass(frozen=True)
class Endpoint(Generic[Params]):
    """A method and path with its input (a query string for GET, else a JSON body), handler and response."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    access: Access
    params: type[Params]
    handler: Callable[[Dependencies, ApiCaller, Params], Awaitable[msgspec.Struct | Download]]
    response: type[msgspec.Struct] | tuple[str, ...]
    """A struct, or the media types of a download."""
    request_example: Params
    response_example: msgspec.Struct | str
    """A response struct, or the text of a download in the first of its media types."""
    status: int = 200
    errors: tuple[int, ...] = ()
    """Error statuses in addition to those of its access and its input."""
    oversized_field: str | None = None
    """The field that a 400 names if the body is too large; without it the response is 413."""

    async def __call__(self, deps: Dependencies, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        user = None if self.access == "open" else await authenticate(deps, request)
        if user is not None and (refusal := _REFUSED.get(self.access, {}).get(user.role)):
            raise Problem(403, refusal)
        caller = ApiCaller(_client_address(deps, request), request.url.host or "localhost", user)
        result = await self.handler(deps, caller, await self._decode(request))
        if isinstance(result, Download):
            return await result.send(request)
        return web.Response(status=self.status, body=msgspec.json.encode(result), content_type="application/json")

    async def _decode(self, request: web.Request) -> Params:
        if self.method == "GET":
            return decode_query(self.params, request.query.items())
        return decode_json(self.params, await self._read_body(request))

    async def _read_body(self, request: web.Request) -> bytes:
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
            raise self._body_too_large() from None
        except TimeoutError:
            raise Problem(408, "The request body took too long to arrive.") from None

    def _body_too_large(self) -> Problem:
        limit = f"is too large: a request body may have at most {MAX_BODY_BYTES} bytes"
        if self.oversized_field is None:
            return Problem(413, f"The body {limit}.")
        raise InvalidFields([FieldFault(self.oversized_field, limit)])


async def authenticate(deps: Dependencies, request: web.Request) -> User:
    """Return the user of the request's token. Raises `Problem` 401, the same for every kind of invalid token."""
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


def _client_address(deps: Dependencies, request: web.Request) -> str:
    forwarded_for, forwarded = (
        ", ".join(request.headers.getall(name, [])) for name in (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED)
    )
    return client_address(request.remote or "", forwarded_for, forwarded, deps.trusted_proxies)

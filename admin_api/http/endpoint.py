"""One endpoint as a value, from which both the routes and the OpenAPI document are made.

A request passes these steps: authentication, decoding of the input into the endpoint's struct, the handler, encoding of
its result as JSON. Errors are raised; `admin_api.app` turns them into responses in one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import msgspec
from aiohttp import hdrs, web

from admin_api.access.authentication import Login, authenticate
from admin_api.access.client import Client, client_of
from admin_api.access.denied_acts import record_denied
from admin_api.access.page_cookie import is_page, require_own_site
from admin_api.dependencies import Dependencies
from admin_api.http.decoding import FieldFault, InvalidFields, decode_json, decode_query
from admin_api.http.download import Download
from admin_api.http.problem import Problem
from admin_api.http.request_headers import RequestHeader
from gateway.accounts.user import Role, User
from gateway.audit.author import COMMAND_LINE, Author
from gateway.keys.changes import BeyondPolicy

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


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The input of endpoints without parameters."""


@dataclass(frozen=True)
class ApiCaller:
    """The client of a request and, if it sent a token, its login."""

    client: Client
    authenticated: Login | None = None

    @property
    def address(self) -> str:
        """Return the address of the client."""
        return self.client.address

    @property
    def author(self) -> Author:
        """Return the caller as the author of what the request does."""
        if self.authenticated is None:
            return Author("", self.address)
        operator = self.authenticated.claims.operator
        return Author(operator, COMMAND_LINE) if operator else Author(self.user.email, self.address)

    @property
    def login(self) -> Login:
        """Return the login. Only for handlers of endpoints that require a token."""
        if self.authenticated is None:
            raise RuntimeError("an endpoint without authentication has no user")
        return self.authenticated

    @property
    def user(self) -> User:
        """Return the user. Only for handlers of endpoints that require a token."""
        return self.login.user


@dataclass(frozen=True)
class Reply:
    """A response with headers, or with another status than that of its endpoint."""

    body: msgspec.Struct
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


@dataclass(frozen=True)
class OtherResponse:
    """A successful response with another status than the usual one."""

    status: int
    response: type[msgspec.Struct]
    example: msgspec.Struct


@dataclass(frozen=True)
class Endpoint(Generic[Params]):
    """A method and path with its input (a query string for GET, else a JSON body), handler and response."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    access: Access
    params: type[Params]
    handler: Callable[[Dependencies, ApiCaller, Params], Awaitable[msgspec.Struct | Reply | Download]]
    response: type[msgspec.Struct] | tuple[str, ...]
    """A struct, or the media types of a download."""
    request_example: Params
    response_example: msgspec.Struct | str
    """A response struct, or the text of a download in the first of its media types."""
    other_media_types: tuple[str, ...] = ()
    """Media types of downloads that a parameter selects instead of the struct."""
    status: int = 200
    errors: tuple[int, ...] = ()
    """Error statuses in addition to those of its access and its input."""
    request_headers: tuple[RequestHeader, ...] = ()
    other_response: OtherResponse | None = None
    oversized_field: str | None = None
    """The field that a 400 names if the body is too large; without it the response is 413."""

    async def __call__(self, deps: Dependencies, request: web.Request) -> web.StreamResponse:
        """Serve one request."""
        client = client_of(deps, request)
        caller = ApiCaller(client, None if self.access == "open" else await authenticate(deps, client, request))
        deps = deps.by(caller.author)
        if caller.authenticated is not None and (refusal := _REFUSED.get(self.access, {}).get(caller.user.role)):
            await record_denied(deps, caller.author, self.path, refusal)
            raise Problem(403, refusal)
        if self.access == "open" and is_page(client):
            require_own_site(client, request)
        params = await self._decode(request)
        try:
            result = await self.handler(deps, caller, params)
        except (Problem, BeyondPolicy) as error:
            if caller.authenticated is not None and getattr(error, "status", 403) == 403:
                await record_denied(deps, caller.author, self.path, str(error), params)
            raise
        if isinstance(result, Download):
            return await result.send(request)
        reply = result if isinstance(result, Reply) else Reply(result)
        return web.Response(
            status=reply.status or self.status,
            body=msgspec.json.encode(reply.body),
            content_type="application/json",
            headers=reply.headers,
        )

    async def _decode(self, request: web.Request) -> Params:
        if self.method == "GET":
            return decode_query(self.params, request.query.items())
        if not request.body_exists and self._needs_no_body:
            return self.params()
        return decode_json(self.params, await self._read_body(request))

    @property
    def _needs_no_body(self) -> bool:
        return not any(member.required for member in msgspec.structs.fields(self.params))

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
        except ConnectionResetError:
            raise web.RequestPayloadError("the client closed the connection") from None
        except TimeoutError:
            raise Problem(408, "The request body took too long to arrive.") from None

    def _body_too_large(self) -> Problem:
        limit = f"is too large: a request body may have at most {MAX_BODY_BYTES} bytes"
        if self.oversized_field is None:
            return Problem(413, f"The body {limit}.")
        raise InvalidFields([FieldFault(self.oversized_field, limit)])

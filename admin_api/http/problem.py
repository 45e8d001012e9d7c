"""Errors as problem details (RFC 9457), and the mapping from exceptions to them.

- `detail` is a sentence for the user; `errors` names every invalid field.
- An unexpected exception becomes 500 with a correlation id; the details are only in the log.
- An unavailable database becomes 503 with `Retry-After`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import web
from redis.exceptions import RedisError

from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.paging import InvalidCursor
from gateway.accounts.creation_limits import TooManyCreations
from gateway.accounts.owners import OwnsKeys, UnknownUser
from gateway.accounts.passwords import PasswordsBusy
from gateway.accounts.user import InvalidRole
from gateway.accounts.users import LastAdmin, UserExists
from gateway.keys.changes import BeyondPolicy
from gateway.keys.storage.details import VersionMismatch
from gateway.keys.validation import InvalidField
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.queries.period import InvalidPeriod
from gateway.usage.store.table import ExportsBusy

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_log = logging.getLogger(__name__)


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error response (RFC 9457)."""

    type: str
    """Always `about:blank`: the status is the type of the problem."""
    title: str
    status: int
    detail: str
    errors: list[FieldFault] = []
    correlation_id: str | None = None


class Problem(Exception):
    """Reject a request with this status and explanation."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.correlation_id = correlation_id

    def response(self) -> web.Response:
        """Return the HTTP response."""
        body = ProblemDetails(
            type="about:blank",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            errors=self.errors,
            correlation_id=self.correlation_id,
        )
        # `omit_defaults` omits only `errors` and `correlation_id`: the members of RFC 9457 have no defaults.
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(body),
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def to_problem(error: Exception, request: web.Request) -> Problem:
    """Map an exception that handling `request` raised to a problem."""
    match error:
        case Problem():
            return error
        case InvalidFields():
            return Problem(400, str(error), errors=error.faults)
        case InvalidCursor():
            return to_problem(InvalidFields([FieldFault("cursor", "must be the next_cursor of a page")]), request)
        case InvalidPeriod():
            return Problem(400, f"{error}.", errors=[FieldFault(error.field, error.detail)])
        case web.RequestPayloadError():
            return Problem(400, "The request body could not be read.")
        case web.HTTPException():
            return _from_http_exception(error, request)
    if (problem := _refusal(error) or _outage(error)) is not None:
        return problem
    correlation_id = secrets.token_hex(8)
    _log.error("Unexpected error, correlation_id=%s", correlation_id, exc_info=error)
    return Problem(
        500,
        f"Internal error. The log has the details under {correlation_id}.",
        correlation_id=correlation_id,
    )


def _refusal(error: Exception) -> Problem | None:
    """Return the problem of a request that users, keys or policies do not allow."""
    match error:
        case InvalidField():
            return Problem(400, f"{error}.", errors=[FieldFault(error.field, error.problem)])
        case UnknownUser():
            return Problem(404, "This user does not exist.")
        case UserExists():
            return Problem(409, "A user with this email exists already.")
        case LastAdmin():
            return Problem(409, "This is the last active admin. Add another admin first.")
        case OwnsKeys():
            keys = f"{error.count} {'key' if error.count == 1 else 'keys'}"
            return Problem(409, f"This user owns {keys}. Revoke them first, or name their new owner in transfer_to.")
        case VersionMismatch():
            return Problem(412, "This key has changed since you read it: read it again, and repeat the change.")
        case InvalidRole():
            return Problem(400, f"role {error}.", errors=[FieldFault("role", str(error))])
        case BeyondPolicy():
            detail = f"{error}. An admin may change the policy of the owner."
            return Problem(403, detail, errors=[FieldFault(error.field, error.problem)])
        case TooManyCreations():
            detail = f"You have created too many {error.kind} in this minute. Try again in {error.retry_after} seconds."
            return Problem(429, detail, headers={"Retry-After": str(error.retry_after)})
    return None


def _outage(error: Exception) -> Problem | None:
    """Return the problem of a request that may succeed later."""
    match error:
        case PasswordsBusy():
            return _unavailable("Too many concurrent logins. Try again shortly.")
        case ExportsBusy():
            return _unavailable("Too many concurrent exports. Try again shortly.")
        case UsageTableUnavailable():
            _log.warning("The usage database is unavailable: %s", error)
            return _unavailable("The usage database is unavailable. Try again shortly.")
        case RedisError():
            _log.warning("Redis is unavailable: %s", error)
            return _unavailable("Redis is unavailable. Try again shortly.")
    return None


def _unavailable(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _from_http_exception(error: web.HTTPException, request: web.Request) -> Problem:
    match error:
        case web.HTTPNotFound():
            return Problem(404, "This path does not exist. /api/openapi.json lists the endpoints.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(
                405, f"{request.path} allows {allowed}, not {error.method[:16]}.", headers={"Allow": allowed}
            )
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "The request body is too large.")
    return Problem(error.status, error.reason)

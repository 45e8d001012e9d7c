"""Errors as RFC 9457 problem details, and the one place that turns an exception into such an answer.

- `detail` is a sentence for the person who made the request; `errors` names every field that is wrong.
- An unexpected error is answered 500 with a correlation id and nothing of its insides; the log has the rest.
- An engine that cannot be reached is 503 with `Retry-After`, never a success and never an open door.
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
from gateway.accounts.passwords import PasswordsBusy
from gateway.keys.validation import InvalidField
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.table import ExportsBusy

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_log = logging.getLogger(__name__)


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error answer (RFC 9457)."""

    type: str
    """Always `about:blank`: the status says what kind of problem it is."""
    title: str
    status: int
    detail: str
    errors: list[FieldFault] = []
    correlation_id: str | None = None


class Problem(Exception):
    """Refuse a request with this status and explanation."""

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
        """The HTTP answer."""
        body = ProblemDetails(
            type="about:blank",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            errors=self.errors,
            correlation_id=self.correlation_id,
        )
        # `omit_defaults` is for the optional members alone: the four of RFC 9457 have no defaults.
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(body),
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def problem_of(error: Exception, request: web.Request) -> Problem:
    """What to answer when handling `request` ended in `error`."""
    match error:
        case Problem():
            return error
        case InvalidFields():
            return Problem(400, str(error), errors=error.faults)
        case InvalidField():
            return Problem(400, f"{error}.", errors=[FieldFault(error.field, error.problem)])
        case PasswordsBusy():
            return _busy("Too many logins are being checked at once; try again shortly.")
        case ExportsBusy():
            return _busy("Too many exports run at once; try again shortly.")
        case UsageTableUnavailable():
            _log.warning("Usage cannot be read: %s", error)
            return _busy("The usage database does not answer; try again shortly.")
        case RedisError():
            _log.warning("Redis does not answer: %s", error)
            return _busy("The key store does not answer; try again shortly.")
        case web.RequestPayloadError():
            return Problem(400, "The request body could not be read.")
        case web.HTTPException():
            return _of_http(error, request)
    correlation_id = secrets.token_hex(8)
    _log.error("Unexpected error, correlation_id=%s", correlation_id, exc_info=error)
    return Problem(
        500,
        f"Something went wrong here; the log has it under {correlation_id}.",
        correlation_id=correlation_id,
    )


def _busy(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _of_http(error: web.HTTPException, request: web.Request) -> Problem:
    match error:
        case web.HTTPNotFound():
            return Problem(404, "There is nothing at this path; /api/openapi.json lists what there is.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(405, f"{request.path} takes {allowed}, not {error.method[:16]}.", headers={"Allow": allowed})
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "The request body is too large.")
    return Problem(error.status, error.reason)

"""The OpenAPI 3.1 document, made from the same structs that read the requests and write the answers."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from admin_api.http.endpoint import Endpoint
from admin_api.http.problem import MEDIA_TYPE, ProblemDetails

_REF = "#/components/schemas/{name}"
_GENERAL_REFUSALS = {"open": (), "user": (401,), "admin": (401, 403)}


def document(endpoints: Sequence[Endpoint[Any]], version: str) -> dict[str, Any]:
    """The whole document as plain values."""
    kinds: set[type[msgspec.Struct]] = {ProblemDetails}
    for endpoint in endpoints:
        kinds |= {endpoint.takes} if isinstance(endpoint.answers, tuple) else {endpoint.takes, endpoint.answers}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    queries = {endpoint.takes.__name__ for endpoint in endpoints if endpoint.method == "GET"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MCP gateway admin API",
            "version": version,
            "description": "API keys for MCP clients, and what was read with them.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "tags": [endpoint.path.split("/")[2]],
        "summary": endpoint.summary,
        "security": [] if endpoint.access == "open" else [{"token": []}],
        "responses": _responses(endpoint),
    }
    taken = schemas[endpoint.takes.__name__]
    if endpoint.method == "POST":
        content = {"application/json": {"schema": _reference(endpoint.takes)}}
        operation["requestBody"] = {"required": True, "content": content}
    elif taken["properties"]:
        operation["parameters"] = [
            {"name": name, "in": "query", "required": name in taken["required"], "schema": schema}
            for name, schema in taken["properties"].items()
        ]
    return operation


def _responses(endpoint: Endpoint[Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {str(endpoint.status): _answer(endpoint.answers)}
    input_refusals = (400, 408, 413, 415) if endpoint.method == "POST" else (400,)
    refusals = {*endpoint.refusals, *_GENERAL_REFUSALS[endpoint.access], *input_refusals, 503}
    if endpoint.too_large:
        refusals.discard(413)
    for status in sorted(refusals):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": _reference(ProblemDetails)}},
        }
    return responses


def _answer(answers: type[msgspec.Struct] | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(answers, tuple):
        # OpenAPI 3.1 has no schema for bytes; the media type says it all.
        return {"description": "The file.", "content": {media_type: {} for media_type in answers}}
    return {"description": _summary(answers), "content": {"application/json": {"schema": _reference(answers)}}}


def _reference(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _summary(kind: type[msgspec.Struct]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]

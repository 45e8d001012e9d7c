"""The OpenAPI 3.1 document, generated from the structs that decode requests and encode responses."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from admin_api.access.page_cookie import COOKIE_NAME, PAGE_HEADER
from admin_api.http.endpoint import Endpoint
from admin_api.http.problem import MEDIA_TYPE, ProblemDetails
from admin_api.http.request_headers import RequestHeader

_REF = "#/components/schemas/{name}"
_ACCESS_ERRORS = {"open": (), "user": (401, 403), "member": (401, 403), "auditor": (401, 403), "admin": (401, 403)}


def document(endpoints: Sequence[Endpoint[Any]], version: str, public_url: str | None = None) -> dict[str, Any]:
    """Return the document as plain dictionaries and lists; `public_url` is the API's, for clients."""
    structs: set[type[msgspec.Struct]] = {ProblemDetails}
    for endpoint in endpoints:
        structs |= {endpoint.params} if isinstance(endpoint.response, tuple) else {endpoint.params, endpoint.response}
        structs |= {endpoint.other_response.response} if endpoint.other_response else set()
    ordered = sorted(structs, key=lambda struct: struct.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    bodies = {endpoint.params.__name__ for endpoint in endpoints if endpoint.method == "POST"}
    queries = {endpoint.params.__name__ for endpoint in endpoints if endpoint.method == "GET"} - bodies
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MCP gateway admin API",
            "version": version,
            "description": "API keys for MCP clients, their usage, users and the audit log.",
        },
        **({"servers": [{"url": public_url.rstrip("/")}]} if public_url else {}),
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE_NAME,
                    "description": f"Set by a login with the header `{PAGE_HEADER}: 1`; changes need that header too.",
                },
            },
        },
    }


def _operation(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "tags": [endpoint.path.split("/")[2]],
        "summary": endpoint.summary,
        "security": [] if endpoint.access == "open" else [{"token": []}, {"cookie": []}],
        "responses": _responses(endpoint),
    }
    params = schemas[endpoint.params.__name__]
    if endpoint.method == "POST":
        example = _example(endpoint.request_example)
        content = {"application/json": {"schema": _reference(endpoint.params), "example": example}}
        operation["requestBody"] = {"required": bool(params["required"]), "content": content}
    elif params["properties"]:
        examples = _example(endpoint.request_example)
        operation["parameters"] = [
            {"name": name, "in": "query", "required": name in params["required"], "schema": schema}
            | ({} if name in params["required"] else {"allowEmptyValue": True})
            | ({"example": examples[name]} if name in examples else {})
            for name, schema in params["properties"].items()
        ]
    if endpoint.request_headers:
        operation.setdefault("parameters", []).extend(map(_header_parameter, endpoint.request_headers))
    return operation


def _header_parameter(header: RequestHeader) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": False,
        "description": header.description,
        "schema": {"type": "string"} | ({"minLength": 1, "maxLength": header.max_length} if header.max_length else {}),
        "example": header.example,
    }


def _example(struct: msgspec.Struct) -> dict[str, Any]:
    """Return the example of a request as JSON, without the members that have their default."""
    members = _plain(struct)
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(struct)}
    return {name: value for name, value in members.items() if value != defaults[name]}


def _responses(endpoint: Endpoint[Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {str(endpoint.status): _response(endpoint)}
    if other := endpoint.other_response:
        responses[str(other.status)] = _json_response(other.response, other.example)
    input_errors = (400, 408, 413, 415) if endpoint.method == "POST" else (400,)
    errors = {*endpoint.errors, *_ACCESS_ERRORS[endpoint.access], *input_errors, 503}
    if endpoint.oversized_field:
        errors.discard(413)
    for status in sorted(errors):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": _reference(ProblemDetails)}},
        }
    return responses


def _response(endpoint: Endpoint[Any]) -> dict[str, Any]:
    if not isinstance(endpoint.response, tuple):
        described = _json_response(endpoint.response, endpoint.response_example)
        described["content"] |= {media_type: {} for media_type in endpoint.other_media_types}
        return described
    # OpenAPI 3.1 describes binary content by its media type, without a schema.
    first, *others = endpoint.response
    content = {first: {"example": endpoint.response_example}} | {media_type: {} for media_type in others}
    return {"description": "The file.", "content": content}


def _json_response(response: type[msgspec.Struct], example: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(response), "example": _plain(example)}}
    return {"description": _summary(response), "content": content}


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def _reference(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=struct.__name__)}


def _summary(struct: type[msgspec.Struct]) -> str:
    return (struct.__doc__ or "").strip().splitlines()[0]

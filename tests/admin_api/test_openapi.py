"""The OpenAPI document is valid, complete, and matches the responses of the API."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from openapi_pydantic import OpenAPI

from admin_api.app import ENDPOINTS
from admin_api.http.decoding import decode_json, decode_query
from admin_api.http.endpoint import Endpoint
from admin_api.openapi import document as document_of
from tests.support.admin_api import Api


@pytest.fixture
async def document(api: Api) -> Any:
    response = await api.request("GET", "/api/openapi.json")
    assert response.status == 200
    return response.body


def check(document: Any, schema: Any, value: Any) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


async def test_the_document_is_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPI.model_validate(document)


async def test_every_endpoint_is_documented(document: Any) -> None:
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == {(endpoint.path, endpoint.method.lower()) for endpoint in ENDPOINTS}
    assert {
        "/api/auth/login", "/api/mcp-keys/create", "/api/mcp-keys/list", "/api/mcp-keys/revoke",
        "/api/mcp-keys/rotate", "/api/mcp-keys/update", "/api/mcp-usage/history", "/api/mcp-usage/stats",
    } <= set(document["paths"])  # fmt: skip


async def test_every_reference_resolves(document: Any) -> None:
    def references(node: Any) -> Any:
        if isinstance(node, dict):
            yield from (value for name, value in node.items() if name == "$ref")
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert found
    names = {reference.removeprefix("#/components/schemas/") for reference in found}
    assert names <= set(document["components"]["schemas"])


async def test_bodies_are_documented_with_their_bounds(document: Any) -> None:
    create = document["components"]["schemas"]["CreateKey"]
    assert create["required"] == ["key_name"]
    assert create["properties"]["key_name"]["maxLength"] == 100
    assert create["properties"]["expires_days"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 3650}
    parameters = document["paths"]["/api/mcp-usage/history"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} >= {"page", "page_size", "from", "to", "status"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_examples_match_the_schemas(endpoint: Endpoint[Any]) -> None:
    document = document_of(ENDPOINTS, "1")
    operation = document["paths"][endpoint.path][endpoint.method.lower()]
    if endpoint.method == "POST":
        content = operation["requestBody"]["content"]["application/json"]
        check(document, content["schema"], content["example"])
        assert decode_json(endpoint.params, json.dumps(content["example"]).encode()) == endpoint.request_example
    else:
        described = [parameter for parameter in operation.get("parameters", []) if "example" in parameter]
        for parameter in described:
            check(document, parameter["schema"], parameter["example"])
        query = [(parameter["name"], str(parameter["example"])) for parameter in described]
        assert decode_query(endpoint.params, query) == endpoint.request_example
    content = operation["responses"][str(endpoint.status)]["content"]
    if isinstance(endpoint.response, type):
        assert isinstance(endpoint.response_example, endpoint.response)
        check(document, content["application/json"]["schema"], content["application/json"]["example"])
    else:
        assert content[endpoint.response[0]]["example"]


async def test_only_logins_need_no_token(document: Any) -> None:
    unsecured = [path for path, methods in document["paths"].items() for one in methods.values() if not one["security"]]
    assert unsecured == ["/api/auth/login", "/api/auth/accept-invite"]


def test_the_document_names_the_public_url_of_the_api() -> None:
    assert "servers" not in document_of(ENDPOINTS, "1")
    public = document_of(ENDPOINTS, "1", "https://admin.example.com/gateway/")
    assert public["servers"] == [{"url": "https://admin.example.com/gateway"}]

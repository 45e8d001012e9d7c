"""The OpenAPI document as the description of requests and responses that tests send and check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from admin_api.app import ENDPOINTS
from admin_api.openapi import document as document_of
from tests.support.admin_api import Api, Response

DOCUMENT = document_of(ENDPOINTS, "0.0.0-test")


@dataclass(frozen=True)
class Operation:
    """An operation of the document."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def description(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = DOCUMENT["paths"][self.path][self.method.lower()]
        return found

    @property
    def is_open(self) -> bool:
        """True if the operation needs no token."""
        return not self.description["security"]

    async def send_example(self, api: Api, replaced: Mapping[str, str] | None = None) -> Response:
        """Send the request of the document's example, in which these texts are replaced."""
        example = json.dumps(self.body() if self.method == "POST" else self.query())
        for text, other in (replaced or {}).items():
            example = example.replace(text, other)
        values = json.loads(example)
        return await (api.post(self.path, values) if self.method == "POST" else api.get(self.path, **values))

    def body(self) -> Any:
        """Return the example of the body."""
        return self.description["requestBody"]["content"]["application/json"]["example"]

    def query(self) -> dict[str, str]:
        """Return the examples of the parameters in the query."""
        parameters = self.description.get("parameters", [])
        return {one["name"]: str(one["example"]) for one in parameters if one["in"] == "query" and "example" in one}

    def check(self, response: Response) -> None:
        """Check that the document describes a response: its status, media type and body."""
        described = self.description["responses"]
        assert str(response.status) in described, f"{self} does not document {response}"
        content = described[str(response.status)]["content"]
        media_type = response.headers["Content-Type"].split(";")[0]
        assert media_type in content, f"{self} does not document {media_type}"
        if "schema" in content[media_type]:
            schema = {**content[media_type]["schema"], "components": DOCUMENT["components"]}
            jsonschema.Draft202012Validator(schema).validate(response.body)


OPERATIONS = tuple(Operation(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods)

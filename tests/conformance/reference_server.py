"""`python -m tests.conformance.reference_server`: an MCP server with everything that the conformance suite tests.

The scenarios of the suite define the behavior of each tool, resource and prompt (`conformance list --server`, npm
`@modelcontextprotocol/conformance`).
"""

from __future__ import annotations

import asyncio
import base64
import json
import warnings
from collections import Counter
from typing import Annotated, Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.conformance import input_required
from tests.conformance.tasks import Tasks
from tests.support.sdk_server import serve

RETRY_MS = 100
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQIAAACAgA=="
AnyContext = Context[Any, Any]

JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
_OPTIONS = ["option1", "option2", "option3"]
_TITLED = [{"const": f"value{n}", "title": f"{nth} Option"} for n, nth in enumerate(("First", "Second", "Third"), 1)]
ENUMS = {
    "untitledSingle": {"type": "string", "enum": _OPTIONS},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}


def _contact() -> str:
    """Have an input schema with many features of JSON Schema 2020-12."""
    return "known"


CONTACT = Tool.from_function(_contact, name="json_schema_2020_12_tool").model_copy(update={"parameters": JSON_SCHEMA})
tasks = Tasks()
server: MCPServer[None] = MCPServer(
    "everything", version="1", log_level="CRITICAL", tools=[CONTACT], extensions=[tasks]
)


def _embedded(uri: str, mime_type: str, text: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


# Types of content.


@server.tool(structured_output=False)
def test_simple_text() -> str:
    """Return text."""
    return "This is a simple text response for testing."


@server.tool(structured_output=False)
def test_image_content() -> types.ImageContent:
    """Return an image."""
    return types.ImageContent(data=PNG, mime_type="image/png")


@server.tool(structured_output=False)
def test_audio_content() -> types.AudioContent:
    """Return audio."""
    return types.AudioContent(data=WAV, mime_type="audio/wav")


@server.tool(structured_output=False)
def test_embedded_resource() -> types.EmbeddedResource:
    """Return a resource."""
    return _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")


@server.tool(structured_output=False)
def test_multiple_content_types() -> list[types.ContentBlock]:
    """Return text, an image and a resource."""
    return [
        types.TextContent(text="Multiple content types test:"),
        types.ImageContent(data=PNG, mime_type="image/png"),
        _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ]


@server.tool(structured_output=False)
def test_error_handling() -> str:
    """Fail always."""
    raise ToolError("This tool intentionally returns an error for testing")


@server.tool(structured_output=False)
def test_custom_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Take an argument that clients repeat in the header Mcp-Param-Region."""
    return f"region {region}"


# Notifications.


@server.tool(structured_output=False)
async def test_tool_with_logging(ctx: AnyContext) -> str:
    """Log three messages."""
    await ctx.info("Tool execution started")
    await asyncio.sleep(0.05)
    await ctx.info("Tool processing data")
    await asyncio.sleep(0.05)
    await ctx.info("Tool execution completed")
    return "logged"


@server.tool(structured_output=False)
async def test_logging_tool(ctx: AnyContext) -> str:
    """Log a message."""
    await ctx.info("working")
    return "logged"


@server.tool(structured_output=False)
async def test_tool_with_progress(ctx: AnyContext) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return "done"


@server.tool(structured_output=False)
async def test_reconnection(ctx: AnyContext) -> str:
    """Close the stream of the call; the client gets the result by resuming it."""
    # When the SDK closes a stream, it drops unwritten events, among them the one with the id to resume from.
    await asyncio.sleep(0.1)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    return "Reconnection test completed"


@server.tool(structured_output=False)
async def test_trigger_tool_change(ctx: AnyContext) -> str:
    """Notify that the tools have changed."""
    await ctx.notify_tools_changed()
    return "notified"


@server.tool(structured_output=False)
async def test_trigger_prompt_change(ctx: AnyContext) -> str:
    """Notify that the prompts have changed."""
    await ctx.notify_prompts_changed()
    return "notified"


# Requests to the client, in sessions.


async def _elicit(ctx: AnyContext, message: str, properties: dict[str, Any]) -> str:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


@server.tool(structured_output=False)
async def test_elicitation(message: str, ctx: AnyContext) -> str:
    """Ask the user."""
    text = {"type": "string"}
    return "User response: " + await _elicit(ctx, message, {"username": text, "email": text})


@server.tool(structured_output=False)
async def test_elicitation_sep1034_defaults(ctx: AnyContext) -> str:
    """Ask with a default for every type of value."""
    return "Elicitation completed: " + await _elicit(ctx, "Who are you?", DEFAULTS)


@server.tool(structured_output=False)
async def test_elicitation_sep1330_enums(ctx: AnyContext) -> str:
    """Ask for every type of choice."""
    return "Elicitation completed: " + await _elicit(ctx, "Which?", ENUMS)


@server.tool(structured_output=False)
async def test_sampling(prompt: str, ctx: AnyContext) -> str:
    """Ask the client's model."""
    question = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
    answer = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {answer.content.text if isinstance(answer.content, types.TextContent) else ''}"


# Capabilities of the client, without sessions.


@server.tool(structured_output=False)
def test_missing_capability(ctx: AnyContext) -> str:
    """Work only for clients that support sampling."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        needed = types.ClientCapabilities(sampling=types.SamplingCapability())
        data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "A model to sample is needed",
            data.model_dump(by_alias=True, mode="json", exclude_none=True),
        )
    return "not missing"


input_required.add_to(server)


# Resources.


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """Text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """An image."""
    return base64.b64decode(PNG)


@server.resource("test://watched-resource", mime_type="text/plain")
def watched() -> str:
    """A resource that clients subscribe to."""
    return "watched"


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:  # noqa: A002
    """The template that the suite reads."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


# Prompts.


@server.prompt()
def test_simple_prompt() -> str:
    """Text."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Text with arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
    """A resource, and text."""
    resource = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]


@server.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """An image, and text."""
    image = types.ImageContent(data=PNG, mime_type="image/png")
    return [UserMessage(image), UserMessage("Please analyze the image above.")]


@server.completion()  # type: ignore[no-untyped-call,untyped-decorator]
async def complete(*_arguments: Any) -> types.Completion:
    """The completion that the suite expects."""
    return types.Completion(values=["paris", "park", "party"], total=3, has_more=False)


# Counts of results, for a test that compares them with the metered calls.

results: Counter[str] = Counter()


async def _count_results(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    answer = await call_next(ctx)
    if ctx.method == "tools/call" and isinstance(answer, dict) and "content" in answer and not answer.get("isError"):
        results[(ctx.params or {})["name"]] += 1
    return answer


server.middleware.append(_count_results)


@server.custom_route("/results", methods=["GET"])  # type: ignore[untyped-decorator]
async def result_counts(request: Request) -> JSONResponse:
    """Return the number of results without errors, by tool."""
    return JSONResponse(results + tasks.results)


# Methods that the server of the SDK does not implement.


async def _acknowledge(_ctx: ServerRequestContext[Any, Any], _params: Any) -> types.EmptyResult:
    return types.EmptyResult()


for _method, _params in (
    ("logging/setLevel", types.SetLevelRequestParams),
    ("resources/subscribe", types.SubscribeRequestParams),
    ("resources/unsubscribe", types.UnsubscribeRequestParams),
):
    server._lowlevel_server.add_request_handler(_method, _params, _acknowledge)


if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    serve(server, RETRY_MS)

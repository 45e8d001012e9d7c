"""`python -m tests.conformance.everything`: an MCP server with all that the conformance suite asks for.

What each tool, resource and prompt must do is what the suite's own scenarios say
(`conformance list --server`, npm `@modelcontextprotocol/conformance`).
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

from tests.conformance import asking
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
    """Has an input schema with much of what JSON Schema 2020-12 knows."""
    return "known"


CONTACT = Tool.from_function(_contact, name="json_schema_2020_12_tool").model_copy(update={"parameters": JSON_SCHEMA})
tasks = Tasks()
server: MCPServer[None] = MCPServer(
    "everything", version="1", log_level="CRITICAL", tools=[CONTACT], extensions=[tasks]
)


def _embedded(uri: str, mime_type: str, text: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(resource=types.TextResourceContents(uri=uri, mime_type=mime_type, text=text))


# What tools answer with.


@server.tool(structured_output=False)
def test_simple_text() -> str:
    """Answers with text."""
    return "This is a simple text response for testing."


@server.tool(structured_output=False)
def test_image_content() -> types.ImageContent:
    """Answers with an image."""
    return types.ImageContent(data=PNG, mime_type="image/png")


@server.tool(structured_output=False)
def test_audio_content() -> types.AudioContent:
    """Answers with sound."""
    return types.AudioContent(data=WAV, mime_type="audio/wav")


@server.tool(structured_output=False)
def test_embedded_resource() -> types.EmbeddedResource:
    """Answers with a resource."""
    return _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")


@server.tool(structured_output=False)
def test_multiple_content_types() -> list[types.ContentBlock]:
    """Answers with text, an image and a resource."""
    return [
        types.TextContent(text="Multiple content types test:"),
        types.ImageContent(data=PNG, mime_type="image/png"),
        _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ]


@server.tool(structured_output=False)
def test_error_handling() -> str:
    """Always fails."""
    raise ToolError("This tool intentionally returns an error for testing")


@server.tool(structured_output=False)
def test_custom_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Has an argument that clients repeat in the header Mcp-Param-Region."""
    return f"region {region}"


# What tools tell while they work.


@server.tool(structured_output=False)
async def test_tool_with_logging(ctx: AnyContext) -> str:
    """Logs three times."""
    await ctx.info("Tool execution started")
    await asyncio.sleep(0.05)
    await ctx.info("Tool processing data")
    await asyncio.sleep(0.05)
    await ctx.info("Tool execution completed")
    return "logged"


@server.tool(structured_output=False)
async def test_logging_tool(ctx: AnyContext) -> str:
    """Logs, for those who want to hear it."""
    await ctx.info("working")
    return "logged"


@server.tool(structured_output=False)
async def test_tool_with_progress(ctx: AnyContext) -> str:
    """Reports progress three times."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return "done"


@server.tool(structured_output=False)
async def test_reconnection(ctx: AnyContext) -> str:
    """Closes the stream that it was asked on; its result is for those who come back."""
    # The SDK drops what it has not written yet when it closes a stream; here, the event that names the place to resume.
    await asyncio.sleep(0.1)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    return "Reconnection test completed"


@server.tool(structured_output=False)
async def test_trigger_tool_change(ctx: AnyContext) -> str:
    """Tells that the tools have changed."""
    await ctx.notify_tools_changed()
    return "told"


@server.tool(structured_output=False)
async def test_trigger_prompt_change(ctx: AnyContext) -> str:
    """Tells that the prompts have changed."""
    await ctx.notify_prompts_changed()
    return "told"


# What tools ask of the client, in sessions: with requests of their own.


async def _elicited(ctx: AnyContext, message: str, properties: dict[str, Any]) -> str:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


@server.tool(structured_output=False)
async def test_elicitation(message: str, ctx: AnyContext) -> str:
    """Asks the user."""
    text = {"type": "string"}
    return "User response: " + await _elicited(ctx, message, {"username": text, "email": text})


@server.tool(structured_output=False)
async def test_elicitation_sep1034_defaults(ctx: AnyContext) -> str:
    """Asks with a default for every kind of value."""
    return "Elicitation completed: " + await _elicited(ctx, "Who are you?", DEFAULTS)


@server.tool(structured_output=False)
async def test_elicitation_sep1330_enums(ctx: AnyContext) -> str:
    """Asks for choices of every kind."""
    return "Elicitation completed: " + await _elicited(ctx, "Which?", ENUMS)


@server.tool(structured_output=False)
async def test_sampling(prompt: str, ctx: AnyContext) -> str:
    """Asks the client's model."""
    question = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
    answer = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {answer.content.text if isinstance(answer.content, types.TextContent) else ''}"


# What tools need of the client, where there are no sessions.


@server.tool(structured_output=False)
def test_missing_capability(ctx: AnyContext) -> str:
    """Works for clients alone that have a model to sample."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        needed = types.ClientCapabilities(sampling=types.SamplingCapability())
        data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "A model to sample is needed",
            data.model_dump(by_alias=True, mode="json", exclude_none=True),
        )
    return "not missing"


asking.add_to(server)


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
    """What clients subscribe to."""
    return "watched"


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:  # noqa: A002
    """The suite's template."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


# Prompts.


@server.prompt()
def test_simple_prompt() -> str:
    """Text."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Text with arguments in it."""
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
async def complete(*_asked: Any) -> types.Completion:
    """The suite's example."""
    return types.Completion(values=["paris", "park", "party"], total=3, has_more=False)


# What was answered, for a test that asks what was counted.

results: Counter[str] = Counter()


async def _note(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    answer = await call_next(ctx)
    if ctx.method == "tools/call" and isinstance(answer, dict) and "content" in answer and not answer.get("isError"):
        results[(ctx.params or {})["name"]] += 1
    return answer


server.middleware.append(_note)


@server.custom_route("/results", methods=["GET"])  # type: ignore[untyped-decorator]
async def counted(request: Request) -> JSONResponse:
    """How many results each tool gave that were no errors."""
    return JSONResponse(results + tasks.results)


# What the SDK's server does not do by itself.


async def _agree(_ctx: ServerRequestContext[Any, Any], _params: Any) -> types.EmptyResult:
    return types.EmptyResult()


for _method, _params in (
    ("logging/setLevel", types.SetLevelRequestParams),
    ("resources/subscribe", types.SubscribeRequestParams),
    ("resources/unsubscribe", types.UnsubscribeRequestParams),
):
    server._lowlevel_server.add_request_handler(_method, _params, _agree)


if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    serve(server, RETRY_MS)

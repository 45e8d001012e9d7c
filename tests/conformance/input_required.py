"""Tools and a prompt of the reference server with input-required results, the elicitation of 2026-07-28."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer

AnyContext = Context[Any, Any]
Questions = Mapping[str, types.InputRequest]


def elicit(message: str, member: str, kind: str = "string") -> types.ElicitRequest:
    """Create an elicitation of one value from the user."""
    schema = {"type": "object", "properties": {member: {"type": kind}}, "required": [member]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int) -> types.CreateMessageRequest:
    """Create a sampling request to the client's model."""
    question = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[question], max_tokens=max_tokens)
    )


def ask(questions: Questions, state: str | None = None) -> types.InputRequiredResult:
    """Create the result of a call whose inputs are still missing."""
    return types.InputRequiredResult(input_requests=dict(questions), request_state=state)


def elicited(responses: types.InputResponses | None, key: str, member: str) -> Any:
    """Return the value that the user entered, or None if it is missing."""
    response = (responses or {}).get(key)
    accepted = isinstance(response, types.ElicitResult) and response.action == "accept"
    return (response.content or {}).get(member) if accepted and isinstance(response, types.ElicitResult) else None


NAME: Questions = {"user_name": elicit("What is your name?", "name")}
CAPITAL: Questions = {"capital_question": sample("What is the capital of France?", 100)}
ROOTS: Questions = {"client_roots": types.ListRootsRequest()}
CONFIRM: Questions = {"confirm": elicit("Please confirm", "ok", "boolean")}
ToolResult = str | types.InputRequiredResult


def _elicitation(ctx: AnyContext) -> ToolResult:
    """Ask the user for a name."""
    name = elicited(ctx.input_responses, "user_name", "name")
    return ask(NAME) if name is None else f"Hello, {name}!"


def _sampling(ctx: AnyContext) -> ToolResult:
    """Ask the client's model."""
    response = (ctx.input_responses or {}).get("capital_question")
    if not isinstance(response, types.CreateMessageResult) or not isinstance(response.content, types.TextContent):
        return ask(CAPITAL)
    return response.content.text


def _list_roots(ctx: AnyContext) -> ToolResult:
    """Ask for the client's roots."""
    response = (ctx.input_responses or {}).get("client_roots")
    if not isinstance(response, types.ListRootsResult):
        return ask(ROOTS)
    return ", ".join(str(root.uri) for root in response.roots)


def _request_state(ctx: AnyContext) -> ToolResult:
    """Send a state that the client must return."""
    if ctx.request_state != "asked" or elicited(ctx.input_responses, "confirm", "ok") is None:
        return ask(CONFIRM, "asked")
    return "state-ok"


def _multiple_inputs(ctx: AnyContext) -> ToolResult:
    """Ask the user, the model and the client in one result."""
    questions: Questions = {**NAME, "greeting": sample("Generate a greeting", 50), **ROOTS}
    return "complete" if questions.keys() <= (ctx.input_responses or {}).keys() else ask(questions, "asked")


def _multi_round(ctx: AnyContext) -> ToolResult:
    """Ask twice, in two rounds."""
    if ctx.request_state == "round 2" and (color := elicited(ctx.input_responses, "step2", "color")):
        return f"You like {color}"
    if ctx.request_state == "round 1" and elicited(ctx.input_responses, "step1", "name"):
        return ask({"step2": elicit("Step 2: What is your favorite color?", "color")}, "round 2")
    return ask({"step1": elicit("Step 1: What is your name?", "name")}, "round 1")


def _capabilities(ctx: AnyContext) -> ToolResult:
    """Ask only what the client supports."""
    capabilities = ctx.client_capabilities or types.ClientCapabilities()
    questions: Questions = {
        **(NAME if capabilities.elicitation is not None else {}),
        **(CAPITAL if capabilities.sampling is not None else {}),
        **(ROOTS if capabilities.roots is not None else {}),
    }
    return "complete" if questions.keys() <= (ctx.input_responses or {}).keys() else ask(questions)


def _prompt(ctx: AnyContext) -> ToolResult:
    """Ask the user before returning the text."""
    context = elicited(ctx.input_responses, "user_context", "context")
    if context is None:
        return ask({"user_context": elicit("What context should the prompt use?", "context")})
    return f"Context: {context}"


TOOLS = {
    "test_input_required_result_elicitation": _elicitation,
    "test_input_required_result_sampling": _sampling,
    "test_input_required_result_list_roots": _list_roots,
    "test_input_required_result_request_state": _request_state,
    "test_input_required_result_tampered_state": _request_state,
    "test_input_required_result_multiple_inputs": _multiple_inputs,
    "test_input_required_result_multi_round": _multi_round,
    "test_input_required_result_capabilities": _capabilities,
    "test_streaming_elicitation": _elicitation,
}


def add_to(server: MCPServer[Any]) -> None:
    """Add the tools and the prompt."""
    for name, tool in TOOLS.items():
        server.add_tool(tool, name=name, structured_output=False)
    server.prompt("test_input_required_result_prompt")(_prompt)

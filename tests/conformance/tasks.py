"""The tasks extension (SEP-2663) of the reference server: tools whose results the client fetches later."""

from __future__ import annotations

import asyncio
import datetime
import secrets
from collections import Counter
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding, ToolBinding
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from pydantic import Field

from tests.conformance.input_required import NAME, Questions, ask, elicit, elicited

IDENTIFIER = "io.modelcontextprotocol/tasks"
TTL_MS = 60_000
POLL_MS = 100
AnyRequest = ServerRequestContext[Any, Any]


class Task:
    """A call that continues after its response."""

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.id = secrets.token_urlsafe(16)
        self.created_at = self.updated_at = _now()
        self.status = "working"
        self.outcome: dict[str, Any] = {}
        self.questions: dict[str, types.InputRequest] = {}
        self.job: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()

    async def run(self, call: CallNext, ctx: AnyRequest) -> None:
        """Run the call and record its outcome."""
        current.set(self)
        try:
            result = await call(ctx)
            assert isinstance(result, types.CallToolResult)
            self._finish("completed", result=result.model_dump(by_alias=True, mode="json", exclude_none=True))
        except MCPError as error:
            self._finish("failed", error=error.error.model_dump(mode="json", exclude_none=True))
        except asyncio.CancelledError:
            self._finish("cancelled")

    async def ask(self, questions: Questions) -> None:
        """Wait until the client has answered all questions."""
        self.questions = dict(questions)
        self._set_status("input_required")
        await self._answered.wait()
        self._set_status("working")

    def answer(self, answers: types.InputResponses) -> None:
        """Accept the client's answers; answers without a question are ignored."""
        for key in answers.keys() & self.questions.keys():
            del self.questions[key]
        if not self.questions:
            self._answered.set()

    @property
    def envelope(self) -> dict[str, Any]:
        """The fields of the task without its outcome."""
        return {
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.updated_at,
            "ttlMs": TTL_MS,
            "pollIntervalMs": POLL_MS,
        }

    @property
    def detailed(self) -> dict[str, Any]:
        """All fields of the task."""
        requests = {
            key: each.model_dump(by_alias=True, mode="json", exclude_none=True) for key, each in self.questions.items()
        }
        return {**self.envelope, **self.outcome, **({"inputRequests": requests} if requests else {})}

    def _set_status(self, status: str) -> None:
        self.status, self.updated_at = status, _now()

    def _finish(self, status: str, **outcome: Any) -> None:
        self.outcome, self.questions = outcome, {}
        self._set_status(status)


current: ContextVar[Task] = ContextVar("current")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


def greet(name: str) -> str:
    """Return immediately; never a task."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str = "") -> str:
    """Take `seconds`; a task for clients that support tasks."""
    await asyncio.sleep(seconds)
    return f"{label} computed"


async def failing_job() -> str:
    """Fail with a tool error."""
    await asyncio.sleep(0.1)
    raise ToolError("The job failed")


async def protocol_error_job() -> str:
    """Fail with a protocol error."""
    await asyncio.sleep(0.1)
    raise MCPError(types.INTERNAL_ERROR, "The server failed")


async def confirm_delete(filename: str) -> str:
    """Ask for a confirmation first."""
    await current.get().ask({"confirm": elicit(f"Delete {filename}?", "confirm", "boolean")})
    return f"{filename} deleted"


async def multi_input() -> str:
    """Ask two questions at the same time."""
    await current.get().ask({"first": elicit("First?", "name"), "second": elicit("Second?", "name")})
    return "both answered"


def test_tool_with_task(ctx: Context[Any, Any]) -> str | types.InputRequiredResult:
    """Ask for a name first; become a task when it is known."""
    name = elicited(ctx.input_responses, "user_name", "name")
    return ask(NAME) if name is None else f"Hello, {name}!"


_OPTIONAL = frozenset({"slow_compute"})
_REQUIRED = frozenset({"failing_job", "protocol_error_job", "confirm_delete", "multi_input", "test_tool_with_task"})


class TaskParams(types.RequestParams):
    """The id of a task, and the answers of `tasks/update`."""

    task_id: str
    input_responses: dict[str, Any] = Field(default_factory=dict)


class Tasks(Extension):
    """The tasks extension."""

    identifier = IDENTIFIER

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._fetched: set[str] = set()

    @property
    def results(self) -> Counter[str]:
        """The number of fetched results without errors, by tool."""
        return Counter(self._tasks[id_].tool for id_ in self._fetched)

    def tools(self) -> Sequence[ToolBinding]:
        tools = (greet, slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input, test_tool_with_task)
        return [ToolBinding(tool, kwargs={"structured_output": False}) for tool in tools]

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskParams, self._get),
            MethodBinding("tasks/update", TaskParams, self._update),
            MethodBinding("tasks/cancel", TaskParams, self._cancel),
        ]

    async def intercept_tool_call(
        self, params: types.CallToolRequestParams, ctx: AnyRequest, call_next: CallNext
    ) -> HandlerResult:
        if params.name in _REQUIRED:
            require_client_extension(ctx, IDENTIFIER)
        elif params.name not in _OPTIONAL or not _supports_tasks(ctx):
            return await call_next(ctx)
        if params.name == "test_tool_with_task" and not params.input_responses:
            return await call_next(ctx)
        task = Task(params.name)
        self._tasks[task.id] = task
        task.job = asyncio.create_task(task.run(call_next, ctx))
        return {"resultType": "task", **task.envelope}

    def _task(self, ctx: AnyRequest, params: TaskParams) -> Task:
        require_client_extension(ctx, IDENTIFIER)
        if params.task_id not in self._tasks:
            raise MCPError(types.INVALID_PARAMS, "Unknown task")
        if ctx.request is not None and ctx.request.headers.get("mcp-name", params.task_id) != params.task_id:
            raise MCPError(types.HEADER_MISMATCH, "Mcp-Name header does not match the task")
        return self._tasks[params.task_id]

    async def _get(self, ctx: AnyRequest, params: TaskParams) -> HandlerResult:
        task = self._task(ctx, params)
        if "result" in task.outcome and not task.outcome["result"].get("isError"):
            self._fetched.add(task.id)
        return task.detailed

    async def _update(self, ctx: AnyRequest, params: TaskParams) -> HandlerResult:
        self._task(ctx, params).answer(params.input_responses)
        return {}

    async def _cancel(self, ctx: AnyRequest, params: TaskParams) -> HandlerResult:
        job = self._task(ctx, params).job
        assert job is not None
        job.cancel()
        return {}


def _supports_tasks(ctx: AnyRequest) -> bool:
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and IDENTIFIER in (capabilities.extensions or {})

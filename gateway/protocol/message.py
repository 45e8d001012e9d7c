"""JSON-RPC messages of clients, as frozen values; `gateway.protocol.message_parser` makes them from bytes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import msgspec

LISTEN = "subscriptions/listen"

_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
_ROUTING_NAMES = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Methods to the member of their params that `Mcp-Name` repeats."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON-RPC message of a client."""

    kind: Literal["request", "notification", "response"]
    method: str
    """Empty for a response."""
    id: Any
    """As it was sent: `"1"` is not `1`. `None` may also mean absent; `kind` distinguishes the two."""
    params: Any
    is_plain: bool
    """True if the message has the exact form required of public requests, whatever its method."""
    is_strict: bool = True
    """False if the body is not strict JSON, so that the upstream may read values of the arguments differently."""
    form_error: str
    """The reason why the message must not be forwarded, even with a key; empty if there is none."""

    @property
    def tool(self) -> str | None:
        """The tool named by a `tools/call`; `None` for other methods, and if the name is not a string."""
        if self.method != "tools/call" or not isinstance(self.params, dict):
            return None
        name = self.params.get("name")
        return name if isinstance(name, str) else None

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a `tools/call`; empty if there are none."""
        arguments = self.params.get("arguments") if isinstance(self.params, dict) else None
        return arguments if isinstance(arguments, dict) else {}

    @property
    def task_id(self) -> str | None:
        """The task named by a `tasks/…` request; `None` for other methods, and if the id is not a string."""
        if not self.method.startswith("tasks/") or not isinstance(self.params, dict):
            return None
        task_id = self.params.get("taskId")
        return task_id if isinstance(task_id, str) else None

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The tasks that a request reads or changes: one for `tasks/…`, any number for `subscriptions/listen`."""
        if self.method == LISTEN and isinstance(self.params, dict):
            lists = (members.get("taskIds") for members in listen_filters(self.params))
            return tuple(id_ for ids in lists if isinstance(ids, list) for id_ in ids if isinstance(id_, str))
        task_id = self.task_id
        return () if task_id is None else (task_id,)

    @property
    def routing_name(self) -> str | None:
        """The required value of `Mcp-Name`: a tool, a prompt, a resource's URI or a task's id (SEP-2243, 2663)."""
        member = _ROUTING_NAMES.get(self.method)
        name = self.params.get(member) if member and isinstance(self.params, dict) else None
        return name if isinstance(name, str) else None

    @property
    def client_info(self) -> tuple[str, str]:
        """Name and version of the client, given by `initialize` or by any request of 2026-07-28; else empty."""
        info = self.meta(_CLIENT_INFO)
        if info is None and self.method == "initialize" and isinstance(self.params, dict):
            info = self.params.get("clientInfo")
        if not isinstance(info, dict):
            return "", ""
        name, version = info.get("name"), info.get("version")
        return (name if isinstance(name, str) else ""), (version if isinstance(version, str) else "")

    def meta(self, name: str) -> Any:
        """Return a member of `params._meta`; `None` if absent."""
        meta = self.params.get("_meta") if isinstance(self.params, dict) else None
        return meta.get(name) if isinstance(meta, dict) else None


class Body(msgspec.Struct, frozen=True):
    """The body of a POST: one message, or the messages of a batch (allowed in 2025-03-26)."""

    messages: tuple[Message, ...]
    is_batch: bool

    @property
    def only_tool(self) -> str:
        """The tool that the body calls; empty if it calls none or several."""
        tools = {message.tool or "" for message in self.messages if message.method == "tools/call"}
        return tools.pop() if len(tools) == 1 else ""


def is_public(body: Body, public_methods: Collection[str]) -> bool:
    """Return True if the body is one public request, not in a batch; it needs no key.

    The form is narrow on purpose: SDKs interpret an `initialize` with the id `null`, `1.0` or `{}` differently.
    """
    if body.is_batch:
        return False
    message = body.messages[0]
    return message.is_plain and message.method in public_methods


def encode_id(id_: object) -> str:
    """Return the JSON of an id, the form in which ids are compared and stored: `"1"` is not `1`."""
    return msgspec.json.encode(id_).decode()


def listen_filters(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects in the params of a `subscriptions/listen` that may name tasks."""
    return [members for members in (params, params.get("notifications")) if isinstance(members, dict)]

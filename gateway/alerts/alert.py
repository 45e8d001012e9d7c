"""Alerts and their causes, and the JSON that a webhook gets.

Pure: does no I/O.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.timestamps import format_rfc3339

AlertType = Literal[
    "limit_80",
    "limit_100",
    "key_expiring",
    "dead_letters",
    "usage_unbalanced",
    "upstream_unreachable",
    "upstream_refused",
    "account_attacked",
    "test",
]
Status = Literal["waiting", "sent", "failed"]

MAX_SUBJECT = 300
MAX_TEXT = 1000
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A reason for an alert. Of causes with the same type, subject and window, one becomes an alert."""

    type: AlertType
    subject: str
    """The key id, the email, the upstream, or the part of the gateway that the alert is about."""
    text: str
    """One sentence that names the fix."""
    window: str = ""
    """The part of time, or the limit and its day, that the cause belongs to."""
    hold_ms: int
    """Time for which the window is remembered."""
    extends: bool = False
    """True if the window lasts until the cause was absent for `hold_ms`."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert with the state of its delivery. Timestamps are milliseconds since the epoch."""

    id: str
    type: AlertType
    time: int
    subject: str
    text: str
    status: Status = "waiting"
    attempts: int = 0
    delivered_at: int | None = None
    last_error: str | None = None

    def values(self) -> dict[str, Any]:
        """Return the members by which the admin API and the command line describe it."""
        return {
            **msgspec.structs.asdict(self),
            "time": format_rfc3339(self.time),
            "delivered_at": format_rfc3339(self.delivered_at),
        }

    def body(self) -> bytes:
        """Return the body of its request, the same in all attempts; `text` is escaped as Slack requires."""
        return msgspec.json.encode(
            {
                "id": self.id,
                "type": self.type,
                "time": format_rfc3339(self.time),
                "subject": self.subject,
                "text": self.text.translate(_SLACK_ESCAPES),
            }
        )


def new_alert(cause: Cause, alert_id: str, now_ms: int) -> Alert:
    """Return the alert of a cause; its texts are printable and bounded."""
    return Alert(
        id=alert_id,
        type=cause.type,
        time=now_ms,
        subject=_printable(cause.subject, MAX_SUBJECT),
        text=_printable(cause.text, MAX_TEXT),
    )


def _printable(text: str, length: int) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + "…"

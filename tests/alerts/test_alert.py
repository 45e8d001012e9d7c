"""Alerts, and the JSON that a webhook gets."""

from __future__ import annotations

import json

from gateway.alerts.alert import MAX_TEXT, Cause, new_alert

NOW = 1_767_225_600_000


def cause(text: str, subject: str = "key_1") -> Cause:
    return Cause(type="limit_80", subject=subject, text=text, hold_ms=1)


def test_the_body_has_the_members_of_the_contract() -> None:
    alert = new_alert(cause("It is full."), "id-1", NOW)
    assert json.loads(alert.body()) == {
        "id": "id-1",
        "type": "limit_80",
        "time": "2026-01-01T00:00:00.000Z",
        "subject": "key_1",
        "text": "It is full.",
    }


def test_text_of_users_cannot_mention_or_link_in_slack() -> None:
    alert = new_alert(cause("The key <!channel> & co"), "id-1", NOW)
    assert alert.text == "The key <!channel> & co"
    assert json.loads(alert.body())["text"] == "The key &lt;!channel&gt; &amp; co"


def test_texts_are_one_bounded_line() -> None:
    alert = new_alert(cause("a\nb\x1b" + "c" * 2 * MAX_TEXT, subject="x" * 1000), "id-1", NOW)
    assert alert.text.startswith("a b c")
    assert (len(alert.text), alert.text[-1]) == (MAX_TEXT, "…")
    assert len(alert.subject) < 1000

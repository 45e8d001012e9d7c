"""The admin API as a person's script uses it: one login, then keys and usage."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from tests.support.running_up import Running


class Key(NamedTuple):
    """A new key."""

    key_id: str
    text: str


class AdminClient:
    """A user, logged in; without a token it is the first admin."""

    def __init__(self, running: Running, token: str | None = None) -> None:
        self._running = running
        self.token = token or running.token()

    def new_user(self, email: str) -> AdminClient:
        """Make a user, who is logged in and is no admin."""
        login = {"email": email, "password": "a-long-password-of-theirs"}
        made = self._running.admin("POST", "/api/users/add", self.token, json=login)
        assert made.status_code == 201, made.text
        answer = self._running.admin("POST", "/api/auth/login", "", json=login)
        return AdminClient(self._running, answer.json()["access_token"])

    def new_key(self, name: str, **fields: Any) -> Key:
        """Make a key of the user's own."""
        made = self._post("create", key_name=name, expires_days=1, **fields)
        return Key(made["key_id"], made["api_key"])

    def revoke(self, key_id: str) -> None:
        """Revoke a key."""
        assert self._post("revoke", key_id=key_id)["status"] == "revoked"

    def calls(self, key_id: str, expected: int) -> list[dict[str, Any]]:
        """The usage history of a key, oldest first, once it has as many calls as are expected, or after 10 s."""
        deadline = time.monotonic() + 10
        query = {"key_id": key_id, "page_size": 100}
        while True:
            answer = self._running.admin("GET", "/api/mcp-usage/history", self.token, params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert page["total"] == len(page["items"])
            if page["total"] >= expected or time.monotonic() > deadline:
                return list(reversed(page["items"]))

    def _post(self, action: str, **body: Any) -> dict[str, Any]:
        answer = self._running.admin("POST", f"/api/mcp-keys/{action}", self.token, json=body)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

"""A client of the admin API."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from tests.support.running_up import Running


class Key(NamedTuple):
    """A new key."""

    key_id: str
    text: str


class AdminClient:
    """A logged-in user; without a token, the first admin."""

    def __init__(self, running: Running, token: str | None = None) -> None:
        self._running = running
        self.token = token or running.token()

    def new_user(self, email: str) -> AdminClient:
        """Create a user without admin rights, and log in."""
        login = {"email": email, "password": "a-long-password-of-theirs"}
        created = self._running.admin("POST", "/api/users/add", self.token, json=login)
        assert created.status_code == 201, created.text
        response = self._running.admin("POST", "/api/auth/login", "", json=login)
        return AdminClient(self._running, response.json()["access_token"])

    def new_key(self, name: str, **fields: Any) -> Key:
        """Create a key that this user owns."""
        created = self._post("create", key_name=name, expires_days=1, **fields)
        return Key(created["key_id"], created["api_key"])

    def revoke(self, key_id: str) -> None:
        """Revoke a key."""
        assert self._post("revoke", key_id=key_id)["status"] == "revoked"

    def calls(self, key_id: str, expected: int) -> list[dict[str, Any]]:
        """Return the usage history of a key, oldest first, when it has the expected number of calls, or after 10 s."""
        deadline = time.monotonic() + 10
        query = {"key_id": key_id, "page_size": 100}
        while True:
            response = self._running.admin("GET", "/api/mcp-usage/history", self.token, params=query)
            assert response.status_code == 200, response.text
            page = response.json()
            assert page["total"] == len(page["items"])
            if page["total"] >= expected or time.monotonic() > deadline:
                return list(reversed(page["items"]))

    def _post(self, action: str, **body: Any) -> dict[str, Any]:
        response = self._running.admin("POST", f"/api/mcp-keys/{action}", self.token, json=body)
        assert response.status_code in (200, 201), response.text
        return dict(response.json())

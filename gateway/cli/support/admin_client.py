"""Client of the admin API of a running `up`.

Only the admin process can open an embedded chDB, so commands query it over HTTP. The command signs an admin's token
itself, with the secret in the data folder; whoever can read that secret has an admin's rights anyway.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gateway.cli.support.output import CliError
from gateway.cli.support.stores import Stores, command_author
from gateway.runtime.data_dir import JWT_SECRET_FILE, read_jwt_secrets
from gateway.timestamps import now_ms
from gateway.tls.local_client import local_verification

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT_SECONDS = 60.0
_PAGE = 200


async def get_json(stores: Stores, path: str, query: Mapping[str, str]) -> Any:
    """Send a GET and return the JSON response. Raises `CliError`."""
    async with _get(stores, path, query, total_timeout=_TIMEOUT_SECONDS) as response:
        return await response.json(content_type=None)


async def get_items(
    stores: Stores, path: str, query: Mapping[str, str], member: str, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """Return at most `limit` items, which each page of a list has in `member`, and True if there are more."""
    items: list[dict[str, Any]] = []
    page = dict(query)
    while True:
        page["limit"] = str(min(_PAGE, limit - len(items)))
        answer = await get_json(stores, path, page)
        items += answer[member]
        if answer["next_cursor"] is None or len(items) >= limit:
            return items, answer["next_cursor"] is not None
        page["cursor"] = answer["next_cursor"]


async def download(stores: Stores, path: str, query: Mapping[str, str]) -> AsyncGenerator[bytes]:
    """Send a GET and yield the chunks of the response body. Raises `CliError`, also if the body is incomplete."""
    async with _get(stores, path, query, total_timeout=None) as response:
        async for chunk in response.content.iter_any():
            yield chunk


def owner_query(owner: str | None) -> dict[str, str]:
    """Return the parameters that select the data of an owner; `None` for all."""
    return {"all": "true"} if owner is None else {"owner": owner}


@asynccontextmanager
async def _get(
    stores: Stores, path: str, query: Mapping[str, str], *, total_timeout: float | None
) -> AsyncIterator[aiohttp.ClientResponse]:
    # Not at the top: most commands need no HTTP client.
    import aiohttp

    if stores.instance is None:
        raise CliError("this works only with a running `mcp-gateway up`: name its folder with --data-dir")
    url = stores.instance.admin_url + path
    headers = {"Authorization": f"Bearer {await _token(stores)}"}
    tls = local_verification(stores.instance.settings.get("tls_cert"))
    timeout = aiohttp.ClientTimeout(total=total_timeout, sock_read=_TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(url, params=query, allow_redirects=False, ssl=tls) as response,
        ):
            if response.status != 200:
                body = await response.json(content_type=None)
                raise CliError(f"the admin API at {url} responded with {response.status}: {body.get('detail', '')}")
            yield response
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CliError(f"the request to the admin API at {url} failed: {error or type(error).__name__}") from error


async def _token(stores: Stores) -> str:
    from gateway.accounts.tokens import AccessTokens

    admins = [user for user in await stores.users.list() if user.is_active_admin]
    if not admins:
        raise CliError("there is no admin: add one with `mcp-gateway user add EMAIL --admin`")
    tokens = AccessTokens(_jwt_secret(stores), now_ms=now_ms, lifetime_seconds=int(_TIMEOUT_SECONDS))
    return tokens.issue(admins[0], operator=command_author().actor)


def _jwt_secret(stores: Stores) -> str:
    if stores.settings.jwt_secret is not None:
        return stores.settings.jwt_secret.get_secret_value()
    try:
        # The last one: a running `up` does not know a secret that was rotated since its start.
        return read_jwt_secrets(stores.settings.data_dir)[-1]
    except OSError as error:
        raise CliError(f"{stores.settings.data_dir / JWT_SECRET_FILE} cannot be read: {error.strerror}") from None

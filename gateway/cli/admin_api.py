"""Asking the admin API of the gateway that a command found.

Where chDB is embedded, only the admin process can open it. Whoever may read the secret that tokens are signed with may
do all that an admin may, so the command signs a token for itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gateway.cli.output import CliError
from gateway.cli.stores import Stores
from gateway.timestamps import now_ms

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT_SECONDS = 60.0


async def ask(stores: Stores, path: str, query: Mapping[str, str]) -> Any:
    """The JSON answer to a GET. Raises `CliError`."""
    async with _answered(stores, path, query, whole=True) as answer:
        return await answer.json(content_type=None)


async def download(stores: Stores, path: str, query: Mapping[str, str]) -> AsyncGenerator[bytes]:
    """The body of the answer to a GET, piece by piece. Raises `CliError`, also where it ends before it is whole."""
    async with _answered(stores, path, query, whole=False) as answer:
        async for piece in answer.content.iter_any():
            yield piece


@asynccontextmanager
async def _answered(
    stores: Stores, path: str, query: Mapping[str, str], *, whole: bool
) -> AsyncIterator[aiohttp.ClientResponse]:
    """An answer with status 200, which has its time as a `whole` or for each piece."""
    # Not at the top: most commands need no HTTP client.
    import aiohttp

    if stores.found.runtime is None:
        raise CliError("only `mcp-gateway up` can be asked this: name its folder with --data-dir")
    url = stores.found.runtime.admin_url + path
    headers = {"Authorization": f"Bearer {await _token(stores)}"}
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS if whole else None, sock_read=_TIMEOUT_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(url, params=query, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                body = await answer.json(content_type=None)
                raise CliError(f"the admin API at {url} answers {answer.status}: {body.get('detail', '')}")
            yield answer
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CliError(f"the admin API at {url} cannot be asked: {error or type(error).__name__}") from error


async def _token(stores: Stores) -> str:
    from gateway.accounts.tokens import Tokens

    admins = [user for user in await stores.users.list() if user.is_admin and not user.disabled]
    if not admins:
        raise CliError("there is no admin: add one with `mcp-gateway user add EMAIL --admin`")
    return Tokens(_secret(stores), now_ms=now_ms, lifetime_seconds=int(_TIMEOUT_SECONDS)).issue(admins[0])


def _secret(stores: Stores) -> str:
    if stores.settings.jwt_secret is not None:
        return stores.settings.jwt_secret.get_secret_value()
    path = stores.settings.data_dir / "jwt_secret"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from None

"""Asking the admin API of the gateway that a command found.

Where chDB is embedded, only the admin process can open it. Whoever may read the secret that tokens are signed with may
do all that an admin may, so the command signs a token for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.cli.output import CliError
from gateway.cli.stores import Stores, now_ms

_TIMEOUT_SECONDS = 60.0


async def ask(stores: Stores, path: str, query: Mapping[str, str]) -> Any:
    """The JSON answer to a GET. Raises `CliError`."""
    # It takes longer to import than most commands do to run.
    import aiohttp

    if stores.found.runtime is None:
        raise CliError("only `mcp-gateway up` can be asked this: name its folder with --data-dir")
    url = stores.found.runtime.admin_url + path
    headers = {"Authorization": f"Bearer {await _token(stores)}"}
    try:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(url, params=query, allow_redirects=False) as answer,
        ):
            body = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise CliError(f"the admin API at {url} cannot be asked: {error or type(error).__name__}") from error
    if answer.status != 200:
        raise CliError(f"the admin API at {url} answers {answer.status}: {body.get('detail', '')}")
    return body


async def _token(stores: Stores) -> str:
    from admin_api.tokens import Tokens

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

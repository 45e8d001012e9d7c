"""`mcp-gateway rotate-secret`: rotation of the generated secret of the admin API's tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.support import options
from gateway.cli.support.output import CliError, print_json
from gateway.cli.support.stores import find_instance
from gateway.runtime.data_dir import JWT_SECRET_FILE, rotate_jwt_secret
from gateway.settings import load_settings


def rotate_secret(
    end_logins: Annotated[
        bool, typer.Option("--end-logins", help="Forget the old secret: everybody logs in again.")
    ] = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Replace the generated secret of access tokens.

    The next start of `up` signs the tokens of the admin API with it. Tokens of the old secret stay valid until they
    expire, at most 12 hours; a second rotation forgets it.

    \b
    Examples:
      mcp-gateway rotate-secret
      mcp-gateway rotate-secret --end-logins   # after the old secret has leaked
    """
    settings = load_settings(config, {"data_dir": data_dir})
    if settings.jwt_secret is not None:
        raise CliError(
            "GATEWAY_JWT_SECRET is set: move its value to GATEWAY_JWT_PREVIOUS_SECRETS, set a new one, and restart"
        )
    path = settings.data_dir / JWT_SECRET_FILE
    is_running = find_instance(settings.data_dir) is not None
    try:
        rotate_jwt_secret(settings.data_dir, keep_previous=not end_logins)
    except FileNotFoundError:
        raise CliError(
            f"{path} does not exist: `mcp-gateway up` generates it, or name the folder with --data-dir"
        ) from None
    except OSError as error:
        raise CliError(f"{path} cannot be replaced: {error.strerror}") from None
    if as_json:
        print_json({"file": str(path), "needs_restart": is_running})
    else:
        typer.echo(f"{path} has a new secret" + ("; restart `mcp-gateway up` to use it" if is_running else ""))

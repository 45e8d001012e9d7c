"""The admin process on its own, started by `mcp-gateway`, which writes the settings to its standard input."""

from __future__ import annotations

import sys

import uvloop

from admin_api.server import CannotStart, running
from gateway.observability import logs, metrics
from gateway.runtime.child_process import announce_ready, read_settings_line, wait_for_the_end
from gateway.settings import Settings


def main() -> int:
    """Run until told to stop; 0 after a drain, 1 with a line that says why it cannot start."""
    settings = Settings.from_json(read_settings_line())
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(_serve(settings))
    except CannotStart as error:
        sys.stderr.write(f"mcp-gateway: the admin process cannot start: {error}\n")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    async with running(settings, metrics.UsageMetrics()):
        announce_ready(f"admin API listening on {settings.host}:{settings.admin_port}")
        await wait_for_the_end()


if __name__ == "__main__":
    sys.exit(main())

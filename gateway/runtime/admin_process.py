"""Entry point of the admin process: `python -m gateway.runtime.admin_process`, started by the supervisor."""

from __future__ import annotations

import sys

import uvloop

from gateway.observability import logs, metrics
from gateway.observability.alert_metrics import AlertMetrics
from gateway.preflight.startup_checks import CannotStartError
from gateway.runtime.admin_services import running
from gateway.runtime.supervision.child_process import announce_ready, read_settings_line, wait_for_stop
from gateway.settings import Settings


def main() -> int:
    """Run until stopped. Returns 0 after a drain, 1 with a message on standard error if the process cannot start."""
    settings = Settings.from_json(read_settings_line())
    logs.configure(settings.log_level, settings.log_format)
    try:
        uvloop.run(_serve(settings))
    except CannotStartError as error:
        sys.stderr.write(f"mcp-gateway: the admin process cannot start: {error}\n")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    async with running(settings, metrics.UsageMetrics(), AlertMetrics()):
        announce_ready(f"admin API listening on {settings.host}:{settings.admin_port}")
        await wait_for_stop()


if __name__ == "__main__":
    sys.exit(main())

"""The checks of `mcp-gateway doctor`, made by the admin process for its API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.doctor import Check, Deployment, run_checks
from gateway.runtime import startup_banner
from gateway.runtime.data_dir import running_instance
from gateway.settings import Settings
from gateway.tls.local_client import local_verification

SECONDS = 8.0
"""Time for one check."""


def diagnosis(settings: Settings) -> Callable[[], Awaitable[Sequence[Check]]]:
    """Return the function that checks the gateway of this admin process."""

    async def diagnose() -> Sequence[Check]:
        return await run_checks(_deployment(settings), SECONDS)

    return diagnose


def _deployment(settings: Settings) -> Deployment:
    """Describe the gateway. A proxy that runs apart is reached under its public URL, if at all."""
    instance = running_instance(settings.data_dir)
    tls = local_verification(settings.tls_cert)
    return Deployment(
        settings=settings,
        redis_url=settings.redis_url,
        proxy_url=settings.public_url if instance is None else instance.proxy_url,
        admin_url=startup_banner.admin_url(settings),
        is_up_running=instance is not None,
        are_commands_separate=instance is None,
        key=None,
        admin_tls=tls,
        proxy_tls=True if instance is None else tls,
    )

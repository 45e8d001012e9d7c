"""Fixture: a running gateway for the health checks."""

from tests.proxy.conftest import gateway, upstream

__all__ = ["gateway", "upstream"]

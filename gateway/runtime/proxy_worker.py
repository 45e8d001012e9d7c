"""Entry point of a proxy worker: `python -m gateway.runtime.proxy_worker`, started by the supervisor."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

import uvloop

from gateway.observability import logs, metrics
from gateway.proxy.config import ProxyConfig, read_config
from gateway.proxy.worker import Worker
from gateway.runtime.supervision.child_process import announce_ready, on_reload, read_settings_line, wait_for_stop
from gateway.tls.pair import PairError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""See mallopt(3)."""
_TRIM_THRESHOLD_BYTES = 128 * 1024 * 1024
"""Freed memory that the allocator keeps instead of returning it to the kernel."""
_MMAP_THRESHOLD_BYTES = 32 * 1024 * 1024
"""The largest allocation that comes from kept memory; the maximum that glibc accepts."""


def main() -> int:
    """Run until stopped. Returns 0 after a drain, 1 with a message on standard error if the worker cannot start."""
    config = read_config(read_settings_line())
    logs.configure(config.log_level, config.log_format)
    _retain_freed_memory()
    try:
        uvloop.run(_serve(config))
    except PairError as failure:
        sys.stderr.write(f"mcp-gateway: the proxy cannot start: {failure}\n")
        return 1
    except OSError as failure:
        sys.stderr.write(f"mcp-gateway: the proxy cannot listen on {config.host}:{config.proxy_port}: {failure}\n")
        return 1
    return 0


def _retain_freed_memory() -> None:
    """Make glibc reuse the memory of large responses: new pages from the kernel cost more than copying a response."""
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


async def _serve(config: ProxyConfig) -> None:
    worker = Worker(config, metrics.ProxyMetrics(), metrics.UsageMetrics())
    on_reload(worker.services.meter.reload)
    async with worker.running():
        # Objects made during the start live as long as the process: exempt them from garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        announce_ready(f"worker listening on {config.host}:{config.proxy_port}")
        await wait_for_stop()


if __name__ == "__main__":
    sys.exit(main())

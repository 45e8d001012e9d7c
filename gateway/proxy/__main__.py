"""A gateway worker as a process of its own, started by `mcp-gateway`."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

import uvloop

from gateway.observability import logs, metrics
from gateway.proxy.config import ProxyConfig, read_config
from gateway.proxy.worker import Worker
from gateway.runtime.child_process import announce_ready, on_reload, read_settings_line, wait_for_the_end

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""See mallopt(3)."""
_KEPT_BYTES = 128 * 1024 * 1024
"""Of memory that was freed, for answers that may come at once."""
_LARGEST_BYTES = 32 * 1024 * 1024
"""Of one piece of memory that is kept; the most that can be set."""


def main() -> int:
    """Run until told to stop; 0 after a drain, 1 where the port cannot be had."""
    config = read_config(read_settings_line())
    logs.configure(config.log_level, config.log_format)
    _keep_freed_memory()
    try:
        uvloop.run(_serve(config))
    except OSError as failure:
        sys.stderr.write(f"mcp-gateway: the proxy cannot listen on {config.host}:{config.proxy_port}: {failure}\n")
        return 1
    return 0


def _keep_freed_memory() -> None:
    """Have glibc keep what large answers took for the next ones: to get it anew from the kernel costs more than to copy
    them.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


async def _serve(config: ProxyConfig) -> None:
    worker = Worker(config, metrics.ProxyMetrics(), metrics.UsageMetrics())
    on_reload(worker.meter.reload)
    async with worker.running():
        # What lives now lives for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        announce_ready(f"worker listening on {config.host}:{config.proxy_port}")
        await wait_for_the_end()


if __name__ == "__main__":
    sys.exit(main())

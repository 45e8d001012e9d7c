"""The three ways to run the gateway: everything at once, the proxy alone, the admin process alone.

Each is a supervisor of child processes. What was not configured is embedded: Valkey, chDB (inside the admin process),
and the demo upstream. On the first start the first admin and one ready key are made and shown once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from gateway.keys.store import KeyStore
from gateway.observability import logs, metrics
from gateway.redis import client as redis_client
from gateway.runtime import preflight, startup_banner
from gateway.runtime.embedded import ValkeyMissingError, find_valkey, socket_path, valkey_child
from gateway.runtime.preflight import CannotStartError
from gateway.runtime.supervision.supervisor import Child, StartError, Supervisor
from gateway.settings import Settings
from gateway.timestamps import now_ms

log = logging.getLogger(__name__)

_DEMO_PORT = 8002
_DEMO_BACKLOG = 512
_SLACK = 5.0
"""Seconds that a child gets beyond its own drain before it is killed."""


def run_up(settings: Settings) -> int:
    """Run everything until Ctrl-C or SIGTERM. Returns the exit code."""
    return _run(settings, _up)


def run_proxy(settings: Settings) -> int:
    """Run the gateway workers alone. Returns the exit code."""
    return _run(settings, _proxy)


def run_admin(settings: Settings) -> int:
    """Run the admin API and the usage writer alone. Returns the exit code."""
    return _run(settings, _admin)


def _run(settings: Settings, role: Callable[[Settings, asyncio.Event], Coroutine[None, None, None]]) -> int:
    logs.configure(settings.log_level, settings.log_format)

    async def until_stopped() -> None:
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        await role(settings, over)

    try:
        asyncio.run(until_stopped())
    except CannotStartError as failure:
        for fault in failure.faults:
            sys.stderr.write(f"mcp-gateway: {fault}\n")
        return 1
    except (StartError, ValkeyMissingError) as failure:
        if str(failure):
            sys.stderr.write(f"mcp-gateway: {failure}\n")
        return 1
    return 0


async def _up(settings: Settings, over: asyncio.Event) -> None:
    data_dir = settings.data_dir.absolute()
    preflight.prepare_data_dir(data_dir)
    with preflight.held_data_dir(data_dir):
        await preflight.check(
            settings,
            ports=(
                (settings.host, settings.proxy_port, "--proxy-port"),
                (settings.host, settings.admin_port, "--admin-port"),
                (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
            ),
        )
        valkey = None if settings.redis_url else valkey_child(find_valkey(), data_dir)
        demo_socket = None if settings.upstream_url else _demo_socket()
        settings = _completed(settings, data_dir)
        with demo_socket or contextlib.nullcontext():
            async with _supervised(settings, over) as supervisor:
                if valkey is not None:
                    await supervisor.start(valkey)
                if demo_socket is not None:
                    line = await supervisor.start(_demo_child(demo_socket))
                    settings = settings.replaced(upstream_url=line.rpartition(" ")[2])
                await supervisor.start_all([_admin_child(settings), *_worker_children(settings)])
                first = await _first_start(settings, makes_key=True)
                with _announced(settings, data_dir):
                    startup_banner.show(settings, first, is_demo=demo_socket is not None)
                    await over.wait()
                log.info("stopping: open requests may finish")


async def _proxy(settings: Settings, over: asyncio.Event) -> None:
    _require(settings, "proxy", redis_url=settings.redis_url, upstream_url=settings.upstream_url)
    data_dir = settings.data_dir.absolute()
    preflight.prepare_data_dir(data_dir)
    await preflight.check(
        settings.replaced(clickhouse_url=None),
        ports=(
            (settings.host, settings.proxy_port, "GATEWAY_PROXY_PORT"),
            (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
        ),
    )
    async with _supervised(settings, over) as supervisor:
        await supervisor.start_all(_worker_children(settings.replaced(data_dir=data_dir)))
        startup_banner.ready()
        await over.wait()


async def _admin(settings: Settings, over: asyncio.Event) -> None:
    _require(
        settings,
        "admin",
        redis_url=settings.redis_url,
        clickhouse_url=settings.clickhouse_url,
        jwt_secret=settings.jwt_secret,
    )
    data_dir = settings.data_dir.absolute()
    preflight.prepare_data_dir(data_dir)
    await preflight.check(
        settings.replaced(upstream_url=None),
        ports=(
            (settings.host, settings.admin_port, "GATEWAY_ADMIN_PORT"),
            (settings.metrics_host, settings.metrics_port, "GATEWAY_METRICS_PORT"),
        ),
    )
    async with _supervised(settings, over) as supervisor:
        await supervisor.start(_admin_child(settings.replaced(data_dir=data_dir)))
        first = await _first_start(settings, makes_key=False)
        startup_banner.show_admin(settings, first)
        await over.wait()


def _require(settings: Settings, role: str, **needed: object) -> None:
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise CannotStartError(
            f"mcp-gateway {role} needs GATEWAY_{name.upper()}; only mcp-gateway up embeds what is not configured"
            for name in missing
        )


def _completed(settings: Settings, data_dir: Path) -> Settings:
    """The settings with the embedded engines and the generated secret in their places."""
    changes: dict[str, object] = {"data_dir": data_dir}
    if settings.redis_url is None:
        changes["redis_url"] = f"unix://{quote(str(socket_path(data_dir)))}"
    if settings.clickhouse_url is None:
        changes["clickhouse_url"] = f"chdb://{quote(str(data_dir / 'clickhouse'))}"
    if settings.jwt_secret is None:
        changes["jwt_secret"] = _kept_secret(data_dir / "jwt_secret")
    return settings.replaced(**changes)


def _kept_secret(path: Path) -> str:
    """The secret in a file, made at the first start, so that a login survives a restart."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    secret = secrets.token_urlsafe(48)
    preflight.write_private(path, secret + "\n")
    return secret


def _demo_socket() -> socket.socket:
    """The demo's listening socket, on its usual port or on a free one where that is taken.

    It is opened here, so that no one can take the port between two of the demo's processes.
    """
    try:
        return socket.create_server(("127.0.0.1", _DEMO_PORT), backlog=_DEMO_BACKLOG)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=_DEMO_BACKLOG)


def _demo_child(listener: socket.socket) -> Child:
    command = [sys.executable, "-m", "mcp_backend", "--fd", str(listener.fileno()), "--stateless"]
    return Child(name="the demo upstream", command=command, pass_fds=(listener.fileno(),), stop_timeout=_SLACK)


def _admin_child(settings: Settings) -> Child:
    return Child(
        name="the admin process",
        command=[sys.executable, "-m", "gateway.runtime.admin_process"],
        stdin=settings.to_json().encode(),
        stop_timeout=settings.drain_timeout + _SLACK,
    )


def _worker_children(settings: Settings) -> Sequence[Child]:
    return [
        Child(
            name=f"worker {number}",
            command=[sys.executable, "-m", "gateway.runtime.proxy_worker"],
            stdin=settings.to_json().encode(),
            stop_timeout=settings.drain_timeout + _SLACK,
            reloads=True,
        )
        for number in range(1, settings.workers + 1)
    ]


@contextlib.asynccontextmanager
async def _supervised(settings: Settings, over: asyncio.Event) -> AsyncIterator[Supervisor]:
    """A supervisor whose children's metrics are served on their own port; on leaving, none of it is left.

    On SIGHUP, those read their rules again that have some; but where the terminal that this was started from is gone,
    it is the end.
    """
    folder = Path(tempfile.mkdtemp(prefix="mcp-gateway-metrics-"))
    supervisor = Supervisor(
        {"PROMETHEUS_MULTIPROC_DIR": str(folder)}, on_exit=partial(metrics.forget_process, directory=folder)
    )
    terminal_at_start = _has_terminal()

    def hung_up() -> None:
        if terminal_at_start and not _has_terminal():
            over.set()
        else:
            supervisor.reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
    stop_metrics = (
        metrics.serve_metrics(settings.metrics_host, settings.metrics_port, folder) if settings.metrics_port else None
    )
    try:
        yield supervisor
    finally:
        await supervisor.stop()
        if stop_metrics is not None:
            stop_metrics()
        shutil.rmtree(folder, ignore_errors=True)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _announced(settings: Settings, data_dir: Path) -> Iterator[None]:
    """While inside, other commands find this instance through the data folder."""
    path = data_dir / "runtime.json"
    facts = {
        "pid": os.getpid(),
        "redis_url": settings.redis_url,
        "proxy_url": startup_banner.proxy_url(settings),
        "admin_url": startup_banner.admin_url(settings),
        "upstream_url": settings.upstream_url,
    }
    preflight.write_private(path, json.dumps(facts) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


async def _first_start(settings: Settings, *, makes_key: bool) -> startup_banner.First | None:
    """Make the first admin, and one key of theirs, if there is no user yet; `None` where there is one."""
    # Late: the command line's other commands need not load argon2.
    from gateway.accounts.users import UserExists, UserStore

    assert settings.redis_url is not None
    redis = redis_client.connect(settings.redis_url)
    users = UserStore(redis, now_ms=now_ms)
    email = settings.admin_email or "admin@localhost"
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    password = given or secrets.token_urlsafe(15)
    try:
        email = (await users.add(email, password, True, only_first=True)).email
        if not makes_key:
            return startup_banner.First(email, None if given else password, None)
        pepper = settings.key_pepper.get_secret_value() if settings.key_pepper else None
        store = KeyStore(redis, pepper=pepper, now_ms=now_ms)
        _, key = await store.create(owner=email, key_name="first key")
        return startup_banner.First(email, None if given else password, key.text)
    except UserExists:
        return None
    finally:
        users.passwords.close()
        await redis.aclose()

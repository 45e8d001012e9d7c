"""The TypeScript SDK in a page of a real browser: from an allowed origin it works, from others it gets nothing."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Error, Page
from redis.asyncio import Redis

from tests.support.browser import NEEDS_CHROMIUM, running_browser
from tests.support.gateway import Gateway, running_gateway
from tests.support.node import installed
from tests.support.ports import free_port

pytestmark = list(NEEDS_CHROMIUM)

FOLDER = Path(__file__).with_name("browser")
ALLOWED, FOREIGN = "app.example.com", "other.example.com"
TOOLS = ["read_rows", "walk", "go", "answer_later", "hang", "rest", "announce"]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The script of the page, with the SDK in it."""
    packages = installed("browser", FOLDER)
    bundle = tmp_path_factory.mktemp("page") / "page.js"
    esbuild = packages.package("esbuild") / "bin/esbuild"
    command = [str(packages.node), str(esbuild), "page.mjs", "--bundle", "--format=iife", "--log-level=warning"]
    subprocess.run([*command, f"--outfile={bundle}"], cwd=FOLDER, check=True, timeout=60)
    return bundle.read_bytes()


@pytest.fixture
async def page_port(script: bytes) -> AsyncIterator[int]:
    """The port of a web server with the page."""

    async def serve(request: web.BaseRequest) -> web.Response:
        if request.path == "/page.js":
            return web.Response(body=script, content_type="text/javascript")
        return web.Response(text='<!doctype html><script src="/page.js"></script>', content_type="text/html")

    server = web.ServerRunner(web.Server(serve))
    await server.setup()
    port = free_port()
    await web.TCPSite(server, "127.0.0.1", port).start()
    yield port
    await server.cleanup()


@pytest.fixture
async def gateway(
    redis: Redis, valkey_url: str, sdk_server_url: str, page_port: int, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A gateway that allows one origin."""
    origins = (f"http://{ALLOWED}:{page_port}",)
    async with running_gateway(redis, valkey_url, sdk_server_url, tmp_path, allowed_origins=origins) as gateway:
        yield gateway


@contextlib.asynccontextmanager
async def opened(host: str, port: int) -> AsyncIterator[Page]:
    """Open the page under a host name."""
    async with running_browser("--host-resolver-rules=MAP *.example.com 127.0.0.1") as browser:
        page = await browser.new_page()
        page.set_default_timeout(10_000)
        await page.goto(f"http://{host}:{port}/")
        yield page


async def use_server(page: Page, gateway: Gateway, key: str, era: str) -> Any:
    return await page.evaluate("(options) => useServer(options)", {"url": gateway.url, "key": key, "era": era})


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_page_of_an_allowed_origin_lists_and_calls_tools(gateway: Gateway, page_port: int, era: str) -> None:
    async with opened(ALLOWED, page_port) as page:
        used = await use_server(page, gateway, await gateway.key(), era)
    assert used["tools"] == TOOLS
    assert used["result"] == {"table": "rests", "record_count": 1}
    assert used["steps"] == [1]
    assert (used["session"] is not None) == (era == "legacy")
    (usage,) = await gateway.until_events(1)
    assert (usage.tool_name, usage.record_count) == ("rest", 1)


async def test_a_page_of_an_allowed_origin_can_read_why_its_key_is_refused(gateway: Gateway, page_port: int) -> None:
    async with opened(ALLOWED, page_port) as page:
        with pytest.raises(Error, match="Invalid or expired API key"):
            await use_server(page, gateway, "sk-wrong", "legacy")


async def test_a_page_of_another_origin_gets_nothing(gateway: Gateway, page_port: int) -> None:
    key = await gateway.key()
    async with opened(FOREIGN, page_port) as page:
        with pytest.raises(Error, match="Failed to fetch"):
            await use_server(page, gateway, key, "legacy")
    assert "forwarded" not in gateway.metrics.reasons
    assert await gateway.events() == []

"""New handshakes use the current files; a broken pair changes nothing and is logged once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.event_loop.tasks import cancel_and_wait
from gateway.tls.pair import PairFiles
from gateway.tls.server import ServerTls, server_tls
from tests.support.certificates import make_pair, pem
from tests.support.loops import on_both_loops
from tests.support.waiting import until

INTERVAL = 0.005


class EchoServer:
    """A TLS server that sends back what it receives."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextlib.asynccontextmanager
    async def connection(self, name: str | None = None) -> AsyncIterator[Echo]:
        """Connect, with a server name or without."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name or "")
        try:
            yield Echo(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def certificate(self, name: str | None = None) -> str:
        """Return the certificate that a new connection gets."""
        async with self.connection(name) as connection:
            return connection.certificate


class Echo:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        handshake: ssl.SSLObject = writer.get_extra_info("ssl_object")
        self.certificate = ssl.DER_cert_to_PEM_cert(handshake.getpeercert(binary_form=True) or b"")

    async def send(self, line: bytes) -> bytes:
        self._writer.write(line + b"\n")
        return (await self._reader.readline()).rstrip()


@contextlib.asynccontextmanager
async def serving(files: PairFiles) -> AsyncIterator[EchoServer]:
    """Serve with a pair whose files are watched."""
    tls = ServerTls(files, interval=INTERVAL)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **tls.server_options)
    watching = asyncio.get_running_loop().create_task(tls.watch())
    try:
        yield EchoServer(server.sockets[0].getsockname()[1])
    finally:
        await cancel_and_wait(watching)
        server.close()


def replace(old: PairFiles, new: PairFiles) -> None:
    """Put new files in the place of the old ones, one after the other."""
    os.replace(new.certificate, old.certificate)
    os.replace(new.key, old.key)


@on_both_loops
async def test_new_connections_get_the_new_certificate_and_open_ones_continue(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "old.example")
    old = files.certificate.read_text()
    async with serving(files) as server, server.connection() as opened:
        assert opened.certificate == old
        replaced = make_pair(tmp_path, "new.example", prefix="new-")
        new = replaced.certificate.read_text()
        replace(files, replaced)

        async def is_new() -> bool:
            return await server.certificate("localhost") == new

        await until(is_new)
        assert await server.certificate() == new, "also without a server name"
        assert await opened.send(b"still here") == b"still here"


async def test_a_certificate_with_another_type_of_key_replaces_the_old_one_for_all_clients(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "localhost", key=rsa.generate_private_key(65537, 2048))
    async with serving(files) as server:
        replaced = make_pair(tmp_path, "localhost", prefix="new-")
        new = replaced.certificate.read_text()
        replace(files, replaced)

        async def is_new() -> bool:
            return await server.certificate() == new

        await until(is_new)


async def test_a_folder_that_kubernetes_swaps_behind_a_link_is_noticed(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        make_pair(tmp_path / version, f"version-{version}.example")
    data = tmp_path / "..data"
    data.symlink_to("1")
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / name).symlink_to(Path("..data") / name)
    async with serving(PairFiles(tmp_path / "certificate.pem", tmp_path / "key.pem")) as server:
        (tmp_path / "..new").symlink_to("2")
        os.replace(tmp_path / "..new", data)
        new = (tmp_path / "2" / "certificate.pem").read_text()

        async def is_new() -> bool:
            return await server.certificate() == new

        await until(is_new)


async def test_a_broken_pair_is_logged_once_and_the_previous_one_stays_in_use(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="gateway.tls")
    files = make_pair(tmp_path, "old.example")
    old = files.certificate.read_text()
    async with serving(files) as server:
        other_key = pem(rsa.generate_private_key(65537, 2048))
        files.key.write_bytes(other_key)
        await until(lambda: caplog.records)
        await asyncio.sleep(10 * INTERVAL)
        assert await server.certificate() == old
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        assert "GATEWAY_TLS_KEY does not fit" in caplog.text
        assert "the previous certificate stays in use" in caplog.text
        assert other_key.decode()[30:90] not in caplog.text
        caplog.clear()
        replaced = make_pair(tmp_path, "new.example", prefix="new-")
        new = replaced.certificate.read_text()
        replace(files, replaced)
        await until(lambda: caplog.records)
        assert [(each.levelname, each.message) for each in caplog.records] == [
            ("INFO", "the TLS certificate was read again")
        ]
        assert await server.certificate() == new


async def test_files_that_are_missing_for_a_moment_keep_the_previous_pair(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = make_pair(tmp_path, "old.example")
    old = files.certificate.read_text()
    async with serving(files) as server:
        os.rename(files.certificate, tmp_path / "away.pem")
        await until(lambda: "GATEWAY_TLS_CERT names a file that cannot be read" in caplog.text)
        assert await server.certificate() == old


def test_the_server_has_no_tls_without_files() -> None:
    assert server_tls(None, None) is None

"""Commands on the gateway's machine accept its certificate and no other."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from gateway.tls.local_client import local_client
from gateway.tls.pair import PairFiles, load_context
from tests.support.certificates import make_pair


async def handshake(files: PairFiles, client: ssl.SSLContext) -> None:
    """Connect to a server with this pair."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=load_context(files))
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        writer.transport.abort()


@pytest.mark.parametrize("hours", [1, -1], ids=["valid", "expired"])
async def test_the_certificate_in_the_file_is_accepted_under_any_name(tmp_path: Path, hours: int) -> None:
    files = make_pair(tmp_path, "mcp.example.com", valid=datetime.timedelta(hours=hours))
    await handshake(files, local_client(files.certificate))


async def test_another_certificate_with_the_same_names_is_refused(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "127.0.0.1")
    other = make_pair(tmp_path, "127.0.0.1", prefix="other-")
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(other, local_client(files.certificate))


async def test_the_issuer_in_the_chain_is_not_trusted_for_other_servers(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "127.0.0.1")
    other = make_pair(tmp_path, "127.0.0.1", prefix="other-")
    files.certificate.write_bytes(files.certificate.read_bytes() + other.certificate.read_bytes())
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(other, local_client(files.certificate))


async def test_without_a_readable_certificate_none_is_accepted(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(files, local_client(tmp_path / "none.pem"))

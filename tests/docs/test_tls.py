"""The commands of the page about TLS make a pair that the gateway can serve."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gateway.tls.inspection import inspect_files
from gateway.tls.pair import PairFiles
from tests.docs.pages import ROOT


def test_the_self_signed_certificate_of_the_page_is_accepted(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "tls.md").read_text()
    commands = page.split("```sh\n", 1)[1].split("```", 1)[0]
    subprocess.run(["sh", "-euc", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    certificate = inspect_files(PairFiles(tmp_path / "tls.crt", tmp_path / "tls.key"))
    assert certificate.covers("mcp.example.com")
    assert certificate.covers("127.0.0.1")
    assert (tmp_path / "tls.key").stat().st_mode & 0o077 == 0

"""`mcp-gateway up` with the environment of a container: no folder for temporary files, IPv6, odd variables."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.support.clean_run import warnings_in_log
from tests.support.running_up import Running

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def test_it_starts_without_a_temporary_folder_on_all_addresses_and_ignores_service_links(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_bytes(b"correct-horse-battery\r\n")
    running = Running(
        "up",
        data_dir=tmp_path / "data",
        TMPDIR="/nonexistent",
        GATEWAY_LOG_FORMAT="json",
        GATEWAY_HOST="::",
        GATEWAY_ADMIN_EMAIL="",
        GATEWAY_ADMIN_PASSWORD_FILE=str(password),
        GATEWAY_ALLOWED_HOSTS="",
        GATEWAY_PORT="tcp://10.0.0.7:8001",
        GATEWAY_SERVICE_HOST="10.0.0.7",
    )
    try:
        running.until_ready()
        for address in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{address}:{running.proxy_port}/readyz", timeout=30).status_code == 200
            login = {"email": "admin@localhost", "password": "correct-horse-battery"}
            url = f"http://{address}:{running.admin_port}/api/auth/login"
            assert requests.post(url, json=login, timeout=30).status_code == 200
        assert running.rpc(LIST, running.key).status_code == 200
        assert f"http://[::1]:{running.proxy_port}/mcp" in running.text
        [warning] = warnings_in_log(running)
        assert "GATEWAY_PORT, GATEWAY_SERVICE_HOST: ignored" in warning
        assert len(list((running.data_dir / "scratch").iterdir())) == 1
    finally:
        assert running.stop() == 0
    assert list((tmp_path / "data" / "scratch").iterdir()) == []

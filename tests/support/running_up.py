"""`mcp-gateway` as a process, as a user starts it, on free ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from tests.support.ports import free_port

COMMAND = str(Path(sys.executable).parent / "mcp-gateway")
INHERITED = {"GATEWAY_FAST_PATH"}
"""Settings that commands get from the environment of the tests, so that all tests can run without the fast path."""


def processes_under(pid: int) -> list[int]:
    """Return the process ids of all living descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    descendants, queue = [], [pid]
    while queue:
        direct = children.get(queue.pop(), [])
        descendants += direct
        queue += direct
    return descendants


def is_alive(pid: int) -> bool:
    """Return True if a process runs and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


class Running:
    """A running command and its output."""

    def __init__(
        self,
        *arguments: str,
        data_dir: Path,
        command: Sequence[str] = (COMMAND,),
        cwd: Path | None = None,
        **environment: str,
    ) -> None:
        self.data_dir = data_dir
        self.proxy_port, self.admin_port = free_port(), free_port()
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith("GATEWAY_") or name in INHERITED
            },
            "GATEWAY_DATA_DIR": str(data_dir),
            "GATEWAY_PROXY_PORT": str(self.proxy_port),
            "GATEWAY_ADMIN_PORT": str(self.admin_port),
            "GATEWAY_METRICS_PORT": str(free_port()),
            "GATEWAY_WORKERS": "2",
            **environment,
        }
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output: list[str] = []
        self.log: list[str] = []
        self._ready = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.output)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.log)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, into: list[str]) -> None:
        for line in stream:
            into.append(line.rstrip("\n"))
            if into[-1] == "ready":
                self._ready.set()
        stream.close()
        self._ready.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def text(self) -> str:
        return "\n".join(self.output)

    def printed(self, pattern: str) -> str:
        """Return the first group of a pattern in the output."""
        match = re.search(pattern, self.text)
        assert match is not None, f"{pattern} was not printed:\n{self.text}\n" + "\n".join(self.log)
        return match[1]

    @property
    def key(self) -> str:
        return self.printed(r"(sk-\w{49})")

    @property
    def login(self) -> dict[str, str]:
        return {"email": self.printed(r"email +(\S+)"), "password": self.printed(r"password +(\S+)")}

    def until_ready(self) -> float:
        """Wait for the line `ready`; return the seconds since the start."""
        assert self._ready.wait(120)
        seconds = time.monotonic() - self.started
        assert "ready" in self.output, "\n".join(self.log)
        return seconds

    def wait(self, timeout: float = 30) -> int:
        """Wait for the end of the process; return its exit code."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return code

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, SIGINT by default, and wait for the end; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def token(self) -> str:
        """Log in as the first admin; return the token."""
        response = requests.post(f"{self.admin_url}/api/auth/login", json=self.login, timeout=30)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    def admin(self, method: str, path: str, token: str, **options: Any) -> requests.Response:
        """Send a request to the admin API."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.admin_url}{path}", headers=headers, timeout=30, **options)

    def rpc(self, message: Any, key: str | None = None, path: str = "/mcp", **headers: str) -> requests.Response:
        """Send a JSON-RPC message to the proxy by POST."""
        fields = {"Content-Type": "application/json", **headers}
        if key is not None:
            fields["Authorization"] = f"Bearer {key}"
        return requests.post(f"{self.url}{path}", json=message, headers=fields, timeout=30)

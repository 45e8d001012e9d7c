"""Canaries: secrets that pass through a gateway, and are then searched wherever they must not be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import redis

_READ_TABLES = """
import sys
from chdb.session import Session
folder, *files = sys.argv[1:]
session = Session(folder)
names = "SELECT concat('`', database, '`.`', name, '`') FROM system.tables WHERE engine LIKE '%MergeTree'"
for source in [*session.query(names).data().split(), *(f"file('{file}')" for file in files)]:
    source = source.strip('"')
    sys.stdout.buffer.write(source.encode() + session.query(f"SELECT * FROM {source}", "TSV").bytes())
"""


class Canaries:
    """Secrets by name. A part of a secret that is long enough to be recognised counts as the secret."""

    def __init__(self) -> None:
        self._marks: dict[str, bytes] = {}

    def add(self, name: str, secret: str) -> str:
        """Add a secret, and return it."""
        self._marks[f"{name} {len(self._marks)}"] = _mark(secret).encode()
        return secret

    def without_secrets(self, answer: Any) -> Any:
        """Add the secrets that an answer gives to its client, and return the rest of it."""
        if isinstance(answer, dict):
            given = {name for name, value in answer.items() if _is_given(name, value)}
            for name in given:
                self.add(name, answer[name])
            return {name: self.without_secrets(value) for name, value in answer.items() if name not in given}
        return [self.without_secrets(item) for item in answer] if isinstance(answer, list) else answer

    def found_in(self, texts: Mapping[str, str | bytes] | Iterable[str]) -> list[str]:
        """Return the names of the secrets in texts, with the names of the texts."""
        named = texts.items() if isinstance(texts, Mapping) else enumerate(texts)
        return [
            f"{secret} in {name}"
            for name, text in named
            for secret, mark in self._marks.items()
            if mark in (text.encode() if isinstance(text, str) else text)
        ]

    def __len__(self) -> int:
        return len(self._marks)


def _is_given(name: str, value: Any) -> bool:
    return name in ("api_key", "access_token") or (name == "link" and "token=" in str(value))


def _mark(secret: str) -> str:
    """Return the part of a secret that identifies it and nothing else."""
    if secret.startswith("sk-"):
        return secret[12:]
    if secret.startswith("eyJ"):
        return secret.rpartition(".")[2]
    return secret.rpartition("token=")[2]


def content_of_redis(client: redis.Redis) -> dict[str, str]:
    """Return all keys of a Redis with their values."""
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1),
        b"list": lambda name: client.lrange(name, 0, -1),
        b"stream": client.xrange,
    }
    names: list[bytes] = list(client.scan_iter(count=1000))
    types: dict[bytes, Any] = {name: client.type(name) for name in names}
    return {repr(name): repr((name, read[kind](name))) for name, kind in types.items()}


def content_of_folder(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def content_of_tables(folder: Path, *parquet: Path) -> bytes:
    """Return all rows of all tables in a chDB folder, and of Parquet files. A process can open only one such folder."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_TABLES, str(folder), *map(str, parquet)], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def json_or_text(content: bytes) -> Any:
    """Return the body of a response, decoded if it is JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")

"""The backup file of a gateway with embedded engines: a tar with everything that a new data folder needs.

| member | is |
| --- | --- |
| `manifest.json` | the version of the file, when it was made, and the SHA-256 of the others |
| `valkey.rdb` | a snapshot of Valkey: keys, users, the audit trail, sessions, usage that waits |
| `usage.parquet` | every call in the usage table |
| `jwt_secret` | the secret of the admin API's tokens, where it was generated |

Rules:
- Valkey's snapshot is older than the usage. What waited in the one and was stored before the other was made is there
  twice; the usage writer finds that out, as after any Valkey that was put back. The other way round it would be lost.
- A backup is whole or it is refused: nothing is restored before every checksum is right.
- It holds what a thief wants (digests of keys and passwords, usage, the secret), so it is for its owner alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

RDB, USAGE, SECRET, MANIFEST = "valkey.rdb", "usage.parquet", "jwt_secret", "manifest.json"
VERSION = 1
_AOF_BASE = "appendonly.aof.1.base.rdb"
_MAX_MANIFEST_BYTES = 64 * 1024


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup says of itself."""

    version: int
    made_at: str
    gateway: str
    sha256: dict[str, str]


class BackupFault(Exception):
    """Why a file cannot be restored from."""


def pack(folder: Path, file: Path, *, made_at: str, gateway: str) -> None:
    """Make the backup file of the members in a folder. Raises `OSError`."""
    members = [folder / name for name in (RDB, USAGE, SECRET) if (folder / name).exists()]
    manifest = Manifest(VERSION, made_at, gateway, {member.name: _sha256(member) for member in members})
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    with (
        open(file, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as raw,
        tarfile.open(fileobj=raw, mode="w") as tar,
    ):
        for member in (folder / MANIFEST, *members):
            tar.add(member, member.name, filter=_for_owner)


def unpack(file: Path, folder: Path) -> Manifest:
    """Put the members into a folder, and check them. Raises `BackupFault` and `OSError`."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            found = {member.name: member for member in tar.getmembers() if member.isreg()}
            manifest = _manifest(tar, found)
            for name in (MANIFEST, *manifest.sha256):
                if name not in (MANIFEST, RDB, USAGE, SECRET) or name not in found:
                    raise BackupFault(f"{file} lacks {name}")
                tar.extract(found[name], folder, filter="data")
    except (tarfile.TarError, msgspec.DecodeError, KeyError, EOFError):
        raise BackupFault(f"{file} is no backup, or not whole") from None
    for name, expected in manifest.sha256.items():
        if _sha256(folder / name) != expected:
            raise BackupFault(f"{name} in {file} is damaged")
    return manifest


def put_valkey(rdb: Path, folder: Path) -> None:
    """Have a Valkey with an append-only file begin with a snapshot: as the base of that file, which it may be."""
    files = folder / "appendonlydir"
    files.mkdir(mode=0o700, parents=True)
    shutil.copyfile(rdb, files / _AOF_BASE)
    (files / "appendonly.aof.manifest").write_text(f"file {_AOF_BASE} seq 1 type b\n")


def _manifest(tar: tarfile.TarFile, found: Mapping[str, tarfile.TarInfo]) -> Manifest:
    content = tar.extractfile(found[MANIFEST])
    assert content is not None
    raw = content.read(_MAX_MANIFEST_BYTES)
    version = msgspec.json.decode(raw, type=dict[str, object]).get("version")
    if version != VERSION:
        raise BackupFault(f"the backup has version {version}, this version of the gateway reads {VERSION}")
    return msgspec.json.decode(raw, type=Manifest)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _for_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member

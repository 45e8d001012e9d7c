"""Format of a backup file: a tar with everything that a new data folder needs.

| member | content |
| --- | --- |
| `manifest.json` | version of the format, time of the backup, and SHA-256 of the other members |
| `valkey.rdb` | a snapshot of Valkey: keys, users, sessions, and what waits in the usage stream |
| `audit.parquet` | every row of the audit log; absent in version 1 |
| `denials.parquet` | every count of refused requests; absent in version 1 |
| `usage.parquet` | every row of the usage table |
| `jwt_secret` | the generated secret of the admin API's tokens; absent if the operator set one |

- The snapshot of Valkey is taken before the tables are exported. What is stored in between is in both members, and the
  usage writer drops it as a duplicate after a restore. In the opposite order it would be lost.
- The logs are exported before the usage, in the opposite order of the writer's inserts: after a batch without stored
  calls, the writer looks up no entries of logs either.
- `unpack` verifies every checksum before anything is restored.
- The file contains digests of keys and passwords, usage data and the secret, so its mode is 0600.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

RDB, AUDIT, DENIALS, USAGE = "valkey.rdb", "audit.parquet", "denials.parquet", "usage.parquet"
SECRET, MANIFEST = "jwt_secret", "manifest.json"
VERSION = 2
_READ_VERSIONS = (1, 2)
_MEMBERS = (RDB, AUDIT, DENIALS, USAGE, SECRET)
_AOF_BASE = "appendonly.aof.1.base.rdb"
_MAX_MANIFEST_BYTES = 64 * 1024


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `manifest.json`."""

    version: int
    made_at: str
    gateway: str
    sha256: dict[str, str]


class InvalidBackup(Exception):
    """The file is not a complete backup of a version that this gateway reads."""


def pack(folder: Path, file: Path, *, made_at: str, gateway: str) -> None:
    """Write the members in a folder into a backup file. Raises `OSError`."""
    members = [folder / name for name in _MEMBERS if (folder / name).exists()]
    manifest = Manifest(VERSION, made_at, gateway, {member.name: _sha256(member) for member in members})
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    with (
        open(file, "wb", opener=_open_private) as raw,
        tarfile.open(fileobj=raw, mode="w") as tar,
    ):
        for member in (folder / MANIFEST, *members):
            tar.add(member, member.name, filter=_owner_only)


def unpack(file: Path, folder: Path) -> Manifest:
    """Extract the members into a folder and verify their checksums. Raises `InvalidBackup` and `OSError`."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            members = {member.name: member for member in tar.getmembers() if member.isreg()}
            manifest = _read_manifest(file, tar, members)
            for name in manifest.sha256:
                # Only regular files with these exact names are written: no links, no absolute paths, no "..".
                if name not in _MEMBERS or name not in members:
                    raise InvalidBackup(f"{file} lacks {name}")
                _extract(tar, members[name], folder / name)
    except (tarfile.TarError, msgspec.DecodeError, KeyError, EOFError):
        raise InvalidBackup(f"{file} is not a backup, or not complete") from None
    for name, expected in manifest.sha256.items():
        if _sha256(folder / name) != expected:
            raise InvalidBackup(f"{name} in {file} is damaged")
    return manifest


def install_snapshot(rdb: Path, folder: Path) -> None:
    """Make a snapshot the base of a new append-only file, which Valkey loads at its start."""
    files = folder / "appendonlydir"
    files.mkdir(mode=0o700, parents=True)
    shutil.copyfile(rdb, files / _AOF_BASE)
    (files / "appendonly.aof.manifest").write_text(f"file {_AOF_BASE} seq 1 type b\n")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    # Not `TarFile.extract(filter="data")`, which Python 3.11.4 introduced.
    source = tar.extractfile(member)
    assert source is not None
    with source, open(path, "xb", opener=_open_private) as target:
        shutil.copyfileobj(source, target)


def _read_manifest(file: Path, tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> Manifest:
    source = tar.extractfile(members[MANIFEST])
    assert source is not None
    with source:
        content = source.read(_MAX_MANIFEST_BYTES)
    version = msgspec.json.decode(content, type=dict[str, object]).get("version")
    if version not in _READ_VERSIONS:
        raise InvalidBackup(f"{file} has version {version} of the format; this gateway reads versions up to {VERSION}")
    return msgspec.json.decode(content, type=Manifest)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _owner_only(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode, member.uid, member.gid, member.uname, member.gname = 0o600, 0, 0, "", ""
    return member

"""The backup file: only complete and undamaged files are unpacked, and nothing is written outside the target folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from gateway.runtime.backup import MANIFEST, RDB, USAGE, InvalidBackup, pack, unpack


def write_tar(file: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    with tarfile.open(file, "w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def manifest(*names: str) -> tuple[tarfile.TarInfo, bytes]:
    content = {"version": 1, "made_at": "", "gateway": "0", "sha256": dict.fromkeys(names, "0")}
    return tarfile.TarInfo(MANIFEST), msgspec.json.encode(content)


def test_unpack_restores_the_members_with_mode_0600(tmp_path: Path) -> None:
    (tmp_path / RDB).write_bytes(b"REDIS")
    (tmp_path / USAGE).write_bytes(b"PAR1")
    pack(tmp_path, tmp_path / "backup.tar", made_at="2026-01-01T00:00:00.000Z", gateway="0")
    target = tmp_path / "target"
    target.mkdir()
    assert unpack(tmp_path / "backup.tar", target).made_at == "2026-01-01T00:00:00.000Z"
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {RDB: b"REDIS", USAGE: b"PAR1"}
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "other", "./valkey.rdb"])
def test_a_member_with_any_other_name_is_refused(name: str, tmp_path: Path) -> None:
    write_tar(tmp_path / "backup.tar", manifest(name), (tarfile.TarInfo(name), b"content"))
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(InvalidBackup, match="lacks"):
        unpack(tmp_path / "backup.tar", target)
    assert list(target.iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_not_a_regular_file_is_refused(type_: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo(RDB)
    member.type, member.linkname = type_, "/etc/passwd"
    write_tar(tmp_path / "backup.tar", manifest(RDB), (member, b""))
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(InvalidBackup, match=r"lacks valkey\.rdb"):
        unpack(tmp_path / "backup.tar", target)
    assert list(target.iterdir()) == []

"""The data folder: creation, lock, generated secret, and `runtime.json`, by which commands find a running `up`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.preflight.startup_checks import CannotStartError

INSTANCE_FILE = "runtime.json"
JWT_SECRET_FILE = "jwt_secret"  # noqa: S105 - the name of a file

_OWN_ENTRIES = frozenset(
    {"clickhouse", JWT_SECRET_FILE, "lock", "metrics", INSTANCE_FILE, "scratch", "spool", "valkey"}
)
"""Names that a data folder may contain; any one of them identifies a folder as a data folder."""
_IGNORED_ENTRIES = frozenset({"lost+found"})


class Instance(msgspec.Struct, frozen=True):
    """A running `up`, as `runtime.json` describes it."""

    pid: int
    redis_url: str
    proxy_url: str
    admin_url: str
    upstream_url: str | None = None
    settings: dict[str, Any] = {}
    """All settings but the secrets, as JSON has them."""
    secrets: tuple[str, ...] = ()
    """Names of the secret settings that have a value."""
    public_url: str | None = None


def prepare(folder: Path) -> None:
    """Create the data folder with mode 0700. Raises `CannotStartError`, also if it belongs to something else.

    The mode of a volume that belongs to another user, and is writable for this one through its group, stays as it is.
    """
    if "?" in str(folder) or not str(folder).isprintable():
        # chDB would read options after a question mark.
        raise _unusable(f"the path of the data folder {str(folder)!r} has a character that chDB cannot take")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = {entry.name for entry in folder.iterdir()} - _IGNORED_ENTRIES
        if entries and not entries & _OWN_ENTRIES:
            raise _unusable(
                f"the data folder {folder} holds other things, such as {min(entries)!r}", "an empty or a new"
            )
        _make_private(folder)
    except OSError as error:
        raise _unusable(f"the data folder {folder} cannot be used ({error.strerror})") from None


def _make_private(folder: Path) -> None:
    try:
        folder.chmod(0o700)
    except PermissionError:
        # Kubernetes and OpenShift give a volume to a group, and run the command under another user id.
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            who = f"user {os.getuid()}, group {os.getgid()}"
            raise _unusable(
                f"the data folder {folder} is not writable for {who} (in Kubernetes, set fsGroup)"
            ) from None


def _unusable(problem: str, other: str = "another") -> CannotStartError:
    return CannotStartError([f"{problem}: choose {other} one with --data-dir or GATEWAY_DATA_DIR"])


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the data folder. Raises `CannotStartError` if another instance holds it."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise _unusable(f"the files in the data folder {folder} belong to another user") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise CannotStartError(
                [
                    f"the data folder {folder} is held by another instance (process {holder}):"
                    " stop it, or choose another folder with --data-dir"
                ]
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def instance_file(folder: Path, instance: Instance) -> Iterator[None]:
    """Write `runtime.json` on entry and remove it on exit."""
    path = folder / INSTANCE_FILE
    _write_private(path, json.dumps(msgspec.structs.asdict(instance)) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_instance(folder: Path) -> Instance | None:
    """Return the `up` that runs on a data folder, or None. Raises `PermissionError` for another user's folder."""
    try:
        instance = msgspec.json.decode((folder / INSTANCE_FILE).read_bytes(), type=Instance)
        os.kill(instance.pid, 0)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError, msgspec.DecodeError):
        return None
    return instance


def jwt_secrets(folder: Path) -> list[str]:
    """Return the secret of the admin API's tokens, and the previous one if it was rotated.

    The first start generates it, so that logins survive a restart.
    """
    with contextlib.suppress(FileNotFoundError):
        return read_jwt_secrets(folder)
    secret = secrets.token_urlsafe(48)
    _write_private(folder / JWT_SECRET_FILE, secret + "\n")
    return [secret]


def read_jwt_secrets(folder: Path) -> list[str]:
    """Return the generated secret and, if it was rotated, the previous one. Raises `OSError` if there is none."""
    return (folder / JWT_SECRET_FILE).read_text().strip().splitlines()


def rotate_jwt_secret(folder: Path, *, keep_previous: bool) -> None:
    """Generate a new secret; a start from now on uses it. Raises `OSError` if there was none."""
    current, *_ = read_jwt_secrets(folder)
    lines = [secrets.token_urlsafe(48), *([current] if keep_previous else [])]
    _write_private(folder / JWT_SECRET_FILE, "".join(f"{secret}\n" for secret in lines))


def _write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600, atomically."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)

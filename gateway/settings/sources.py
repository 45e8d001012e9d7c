"""Reading of the values of the settings from a TOML file, the environment and command-line options.

- A later source wins. The empty text is no value, except for `public_methods`, where it means none.
- A secret or a URL of an engine can be given by the path of a file that contains it (`…_FILE`).
- A value within quotes is a fault: `--env-file` and similar readers keep quotes that a shell would remove.
- Variables that Kubernetes sets for a Service whose name begins with "gateway" are not settings.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gateway.settings.model import ENV_PREFIX, FILE_SETTINGS, Settings, Source

FILE_SUFFIX = "_file"
_MAY_BE_EMPTY = frozenset({"public_methods"})
_MAX_FILE = 64 * 1024
"""Bytes of a file that contains one value."""
_QUOTES = {'"': "double quotes", "'": "single quotes"}
_SERVICE_LINK = re.compile(
    r"(?:.*_)?(?:SERVICE_(?:HOST|PORT(?:_.*)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_PORT = re.compile(r"(?:.*_)?PORT")
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")
_FLAGS = {"upstream_url": "upstream"}
"""Options whose names differ from their settings."""


class Fault(NamedTuple):
    """A fault: the setting as the user wrote it, and the problem with its fix."""

    setting: str
    problem: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.problem}"


class Given(NamedTuple):
    """A value, with its source and the name under which the user wrote it."""

    value: Any
    source: Source
    shown_name: str


class Sources:
    """The values of all sources that were read, later ones over earlier ones."""

    def __init__(self) -> None:
        self.given: dict[str, Given] = {}
        self.faults: list[Fault] = []
        self.faulty: set[str] = set()
        """Settings whose value could not be read."""
        self.warnings: list[str] = []

    def read_toml(self, config: Path) -> None:
        """Read the settings in a TOML file."""
        data = self._toml_data(config)
        if data is None:
            return
        data.pop("metering", None)  # read by `load_settings`, from the file that `metering_rules` names
        # Also for a file without rules: it may have some when it is read again on SIGHUP.
        self.given["metering_rules"] = Given(config, "file", f"metering_rules in {config}")
        for name in [name for name in data if not _is_known(name)]:
            self.faults.append(Fault(f"{name} in {config}", _unknown(name.lower(), str.lower)))
            del data[name]
        self._add(data, "file", lambda name: f"{name} in {config}")

    def read_environment(self, environment: Mapping[str, str]) -> None:
        """Read the variables whose names begin with `GATEWAY_`, in any case."""
        values: dict[str, Any] = {}
        links = []
        for variable, value in sorted(environment.items()):
            name = variable.upper().removeprefix(ENV_PREFIX)
            if name == variable.upper():
                continue
            if _is_service_link(name, value):
                links.append(variable)
            elif _is_known(name.lower()):
                values[name.lower()] = value
            else:
                self.faults.append(Fault(variable, _unknown(name.lower(), _variable)))
        if links:
            self.warnings.append(_service_link_warning(links))
        self._add(values, "environment", _variable)

    def read_flags(self, flags: Mapping[str, Any]) -> None:
        """Read the options of a command; `None` is no value."""
        values = {name: value for name, value in flags.items() if value is not None}
        self._add(values, "flag", lambda name: "--" + _FLAGS.get(name, name).replace("_", "-"))

    def _toml_data(self, config: Path) -> dict[str, Any] | None:
        try:
            if not config.is_file():
                raise FileNotFoundError("no such file")
            return tomllib.loads(config.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            # The message of `TOMLDecodeError` has a position and a token, never a value.
            self.faults.append(Fault(str(config), f"is not valid TOML: {error}"))
        except UnicodeDecodeError:
            self.faults.append(Fault(str(config), "is not UTF-8: save it as UTF-8"))
        except OSError as error:
            self.faults.append(Fault(str(config), f"cannot be read ({error.strerror or error}): check --config"))
        return None

    def _add(self, values: dict[str, Any], source: Source, shown_name: Callable[[str], str]) -> None:
        """Add the values of one source; those of `…_file` names are read from the files that they name."""
        present = {name: value for name, value in values.items() if value != "" or name in _MAY_BE_EMPTY}
        for name, value in present.items():
            setting = _file_setting(name) or name
            shown = shown_name(name)
            try:
                _check_quotes(value)
                if setting != name:
                    if setting in present:
                        raise ValueError(f"is set together with {shown_name(setting)}: remove one of them")
                    value = _read_value(str(value))
                self.given[setting] = Given(value, source, shown)
            except ValueError as error:
                self.faults.append(Fault(shown, str(error)))
                self.faulty.add(setting)


def _is_known(name: str) -> bool:
    return name in Settings.model_fields or _file_setting(name) is not None


def _file_setting(name: str) -> str | None:
    """Return the setting whose value is in the file that this name gives, or None."""
    setting = name.removesuffix(FILE_SUFFIX)
    return setting if setting != name and setting in FILE_SETTINGS else None


def _variable(name: str) -> str:
    return ENV_PREFIX + name.upper()


def _check_quotes(value: Any, what: str = "") -> None:
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        raise ValueError(f"{what}begins and ends with {_QUOTES[text[0]]} ({text[0]}): remove the quotes")


def _read_value(path: str) -> str:
    """Return the content of a file without one line end. No message has the path: it may be a secret by mistake."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        text = data.decode()
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror or 'invalid path'})") from None
    except UnicodeDecodeError:
        raise ValueError("names a file that is not UTF-8: save it as UTF-8") from None
    if len(data) > _MAX_FILE:
        raise ValueError(f"names a file of more than {_MAX_FILE} bytes, which cannot be one value: check the path")
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not text:
        raise ValueError("names a file that is empty: write the value into it")
    _check_quotes(text, "names a file whose content ")
    return text


def _is_service_link(name: str, value: str) -> bool:
    if _SERVICE_LINK.fullmatch(name):
        return True
    return _SERVICE_PORT.fullmatch(name) is not None and _SERVICE_ADDRESS.match(value) is not None


def _service_link_warning(variables: list[str]) -> str:
    shown = ", ".join(variables[:3]) + (f" and {len(variables) - 3} more" if len(variables) > 3 else "")
    return (
        f"{shown}: ignored, because Kubernetes sets such variables for a Service of that name; to avoid them, set"
        " enableServiceLinks: false in the pod"
    )


def _unknown(name: str, spelled: Callable[[str], str]) -> str:
    names: Iterable[str] = (*Settings.model_fields, *(setting + FILE_SUFFIX for setting in FILE_SETTINGS))
    setting = name.removesuffix(FILE_SUFFIX)
    near = [setting] if setting in Settings.model_fields else difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"is not a setting: did you mean {spelled(near[0])}?"
    return "is not a setting: remove it (`mcp-gateway config` lists all settings)"

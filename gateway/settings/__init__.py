"""Settings of all processes: read once at the start, immutable, all faults reported together.

Begin with `model.py` (types and defaults), then `sources.py` and `load.py`. `descriptions.py` documents each setting;
`markdown.py` makes the reference page. Imported by `gateway.cli`, `gateway.doctor` and `gateway.runtime`; a worker and
the admin process get the settings from their supervisor as one line of JSON.
"""

from gateway.settings.load import Command, SettingsError, load_settings, read_rules_file
from gateway.settings.model import ENV_PREFIX, Settings
from gateway.settings.sources import Fault

__all__ = ["ENV_PREFIX", "Command", "Fault", "Settings", "SettingsError", "load_settings", "read_rules_file"]

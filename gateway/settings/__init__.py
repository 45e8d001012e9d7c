"""Settings: read once, immutable, and every fault reported together with its mend."""

from gateway.settings.load import Fault, Role, SettingsError, load_settings
from gateway.settings.model import ENV_PREFIX, Settings

__all__ = ["ENV_PREFIX", "Fault", "Role", "Settings", "SettingsError", "load_settings"]

"""`python -m gateway.settings` prints docs/reference/settings.md."""

import sys

from gateway.settings.markdown import settings_page

sys.stdout.write(settings_page())

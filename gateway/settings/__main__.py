"""`python -m gateway.settings` prints docs/configuration.md."""

import sys

from gateway.settings.markdown import configuration_page

sys.stdout.write(configuration_page())

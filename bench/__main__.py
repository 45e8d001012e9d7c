"""`make bench`: measure all of it, interleaved, and print the table."""

from __future__ import annotations

import sys

from bench.command import main

sys.exit(main())

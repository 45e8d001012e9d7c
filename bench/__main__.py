"""`make bench`: run all measurements, interleaved, and print the tables."""

from __future__ import annotations

import sys

from bench.command import main

sys.exit(main())

"""Checks of what a gateway depends on, before it starts and while it runs.

`startup_checks` checks ports, Redis, ClickHouse, certificate and upstream, and is the place to begin reading;
`upstream_probe` asks the upstream once. May import the packages in its row of the table in tests/test_imports.py.
Imported by `gateway.runtime`, `gateway.doctor` and `gateway.cli`.
"""

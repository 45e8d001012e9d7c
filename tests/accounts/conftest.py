"""The admin API, for tests of accounts over HTTP."""

from tests.admin_api.conftest import admin, api, cheap_passwords, clock, deps, serve, table, usage_table, user

__all__ = ["admin", "api", "cheap_passwords", "clock", "deps", "serve", "table", "usage_table", "user"]

"""The gateway with programs that others have written: reverse proxies, a browser, Claude Code.

A test is skipped if its program is missing.
"""

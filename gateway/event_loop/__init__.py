"""Helpers for the asyncio event loop.

`tasks` cancels tasks reliably, `busy_poller` busy-polls while a fast reply is expected, and `listening` binds sockets.
Imports no other package of the project; the table in tests/test_imports.py says which packages import it. Begin reading
in `tasks`.
"""

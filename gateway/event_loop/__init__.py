"""Helpers for the asyncio event loop: cancelling tasks reliably, and busy-polling for a fast reply.

Imports no other package of the project; the table in tests/test_imports.py says which packages import it. Begin reading
in `tasks`.
"""

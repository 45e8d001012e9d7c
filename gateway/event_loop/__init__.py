"""Helpers for the asyncio event loop: cancelling tasks reliably, and busy-polling for a fast reply.

Every package may import this one; it imports nothing of the project.
"""

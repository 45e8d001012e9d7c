"""Upstreams that close idle connections after a second."""

"""The reverse proxy: client connections, upstream pool, forwarding, limits."""

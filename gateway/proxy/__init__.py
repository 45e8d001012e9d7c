"""The reverse proxy: aiohttp server, upstream pool, forwarding, limits."""

"""What the gateway costs, next to nginx, a plain aiohttp proxy, and no proxy at all."""

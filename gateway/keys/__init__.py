"""API keys: their format, their records in Redis, and the cache of a worker."""

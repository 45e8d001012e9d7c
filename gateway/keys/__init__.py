"""API keys: format, records, storage in Redis, and the cache of a proxy worker.

| module | holds |
| --- | --- |
| `secret` | `ApiKey`: generating, parsing and hashing the secret |
| `record` | `KeyRecord`: what is stored of a key, and its status |
| `validation` | the values that the fields of a key may have |
| `store` | `KeyStore`: create, find, rotate, update and revoke keys in Redis |
| `cache` | `KeyCache`: the per-worker cache, invalidated over pub/sub |
| `last_used` | `LastUsedWriter`: batches the times of last use |

May import `gateway.redis`, `gateway.event_loop` and `gateway.timestamps`. Imported by `gateway.proxy`, `admin_api`,
`gateway.runtime` and `gateway.cli`. Begin reading at `secret`, then `store`.
"""

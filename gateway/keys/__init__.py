"""API keys: format, records, storage in Redis, and the cache of a proxy worker.

| module | holds |
| --- | --- |
| `secret` | `ApiKey`: generating, parsing and hashing the secret |
| `record` | `KeyRecord`: what is stored of a key, its `Restrictions` and status |
| `validation` | the values that the fields of a key and of an owner's policy may have |
| `ceilings` | the restrictions that an admin has set and an owner may only narrow |
| `changes` | `Actor`: who may change what; updating, suspending and resuming a record |
| `policies` | `PolicyStore`: the policies of owners in Redis |
| `store` | `KeyStore`: create, find, rotate, update, suspend and revoke keys in Redis |
| `cache` | `KeyCache`: the per-worker cache, invalidated over pub/sub |
| `limits` | `Limit`: what each limit counts, and under which name |
| `limit_use` | what is used and left of each limit |
| `last_used` | `LastUsedWriter`: batches the last uses of keys and secrets |
| `storage` | the stored forms behind `store` |

May import `gateway.redis`, `gateway.event_loop` and `gateway.timestamps`. Imported by `gateway.accounts`,
`gateway.proxy`, `admin_api`, `gateway.runtime` and `gateway.cli`. Begin reading at `secret`, then `store`.
"""

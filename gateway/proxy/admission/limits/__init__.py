"""Limits of keys and of their owners, counted in Redis for all workers.

- A *demand* is what one *unit* costs of each limit; a unit is a request, a call of a tool, or the records of a result.
- A *budget* is the state of a demand in a worker. For a busy key it has a *lease*: units that were taken in advance.
- A *permit* is what an admitted request holds: among it, a *slot* of `max_concurrent` for each call.
- A *check* is a part of a script run in Redis: it takes units, renews or releases slots, or adds counts.

`limiter.Limiter` is the entry point. Modules, from the caller inwards:

| module | holds |
| --- | --- |
| `limiter` | admits requests, consumes the records of results, and gives back leases |
| `permit` | what an admitted request holds |
| `take_units` | the check that takes units of a demand |
| `key_limits`, `budget` | the state of a key, and of one of its demands |
| `slots` | the calls in flight |
| `usage_counts` | requests, calls and records that no limit covers |
| `state` | the objects that all checks of a worker share |
| `demand`, `status` | the costs of a request or result; what is left of a limit: header fields, rejection |
| `checks`, `script` | the connection to Redis; the Lua script and its operations |

`gateway.keys.limits` defines what each limit counts.
"""

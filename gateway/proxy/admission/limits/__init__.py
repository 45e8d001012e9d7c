"""Limits of keys and of their owners, counted in Redis for all workers.

`limiter.Limiter` is the entry point. Modules, from the caller inwards:

| module | holds |
| --- | --- |
| `limiter` | admits requests, settles records, and gives back what was taken ahead |
| `permit` | what an admitted request holds |
| `take_units` | a check that takes units of a demand |
| `key_limits`, `budget` | the state of a key, and of one of its demands |
| `slots` | the calls in flight |
| `usage_counts` | uses that no limit covers |
| `state` | all of this, for one worker |
| `demand`, `status` | the costs of a request or result, and what is left, as header fields |
| `checks`, `script` | the connection to Redis and the Lua script |

`gateway.keys.limits` has the rules.
"""

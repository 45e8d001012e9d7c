"""The endpoints of API keys, by what they do.

| module | endpoints |
| --- | --- |
| `creation` | create and rotate, the only ones that return a secret |
| `reading` | list and show |
| `changes` | update |
| `revocation` | revoke, also many, and end the overlap of a rotation |
| `suspension` | suspend and resume |
| `transfer` | transfer |

`models` and `filters` have their requests and responses, `examples` those of the OpenAPI document, `access` the key and
the owner that a request names. The key of another owner is 404, like an unknown key. Begin reading at `creation`.
"""

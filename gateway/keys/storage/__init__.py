"""The stored forms behind `gateway.keys.store`.

| module | holds |
| --- | --- |
| `stored_key` | the stored form of a record, its lookup with the owner's policy, and its compare-and-set |
| `change_script` | the script of the compare-and-set |
| `creations` | idempotency keys: repeated creations make one key |
| `details` | `KeyDetails`: a key with its secrets, as it is shown |
| `last_uses` | `LastUses`: when keys and secrets were last used, and by which client |
"""

"""The schema of the usage database, as numbered SQL files.

`migrate` applies them, and is where to begin; `cluster` rewrites them for a cluster; `retention` sets when rows are
removed. Imported by `gateway.usage.store`, and `Retention` by all that open the tables.
"""

"""The schema of the usage database, as numbered SQL files.

`migrate` applies them, and is where to begin; `cluster` rewrites them for a cluster. Imported by `gateway.usage.store`
only; imports nothing else of the project.
"""

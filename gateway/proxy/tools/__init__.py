"""The catalog of the upstream's tools, collected from the `tools/list` results that pass.

- `catalog`: the catalog of one worker, and its exchange with those of the others.
- `known_tools`: the rules by which a list changes the catalog.
- `catalog_store`: the catalog in Redis.

Imported by `stores`, and by `gateway.cli`; of `proxy`, it imports nothing. Begin reading in `known_tools`.
"""

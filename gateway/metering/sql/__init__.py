"""SQL: the tables that statements read and write.

`analyzer` has the functions for callers, with bounds and a cache. `parser` uses `sqlglot` and is imported with the
first statement. `functions` lists SQL functions by what they can read. Imported by `metering.arguments` and `api`.
"""

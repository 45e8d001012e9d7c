"""SQL: the tables that statements read and write.

`tables` finds the tables of a statement: begin there. It uses `sqlglot` and is imported with the first statement.
`unparsed` reads those of a query that no dialect parses. `name_scopes` tells tables from other names, and `macros`
expands templates. `cache` has the functions for callers, which bound and cache its work. `functions` lists SQL
functions by what they can read. The result is an analysis as of `metering.queries`. Imported by `metering.arguments`
and `metering.api`.
"""

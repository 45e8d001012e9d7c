"""The tables that the arguments of a call name, to read and to write.

`parsing` reads the arguments: begin there. `strings` collects the strings among them, `statements` finds SQL and
other queries, `declared_tables` the tables that the other arguments name, and `rest_requests` those of HTTP paths.
`possible_writes` checks quickly whether a call can be a write.
Imported by the modules of `metering`; imports `metering.sql`, `queries`, `vocabulary`, `table_names` and
`tool_declarations`.
"""

from gateway.metering.arguments.parsing import (
    ParsedArguments,
    names_all_tables,
    parse_arguments,
    reachable_tables,
    tables_in_arguments,
)
from gateway.metering.arguments.possible_writes import may_write
from gateway.metering.arguments.statements import sql_statements
from gateway.metering.arguments.strings import MAX_ARGUMENT_LEVELS, MAX_ARGUMENT_STRINGS

__all__ = [
    "MAX_ARGUMENT_LEVELS",
    "MAX_ARGUMENT_STRINGS",
    "ParsedArguments",
    "may_write",
    "names_all_tables",
    "parse_arguments",
    "reachable_tables",
    "sql_statements",
    "tables_in_arguments",
]

"""The tables that the arguments of a call name, to read and to write.

`parsing` reads the arguments: begin there. `declared_tables` finds the tables that arguments other than SQL name.
Imported by the modules of `metering`; imports `metering.sql`, `vocabulary`, `table_names` and `tool_declarations`.
"""

from gateway.metering.arguments.parsing import (
    MAX_ARGUMENT_LEVELS,
    MAX_ARGUMENT_STRINGS,
    ParsedArguments,
    judged_tables,
    may_write,
    named_tables,
    parse_arguments,
    sql_statements,
)

__all__ = [
    "MAX_ARGUMENT_LEVELS",
    "MAX_ARGUMENT_STRINGS",
    "ParsedArguments",
    "judged_tables",
    "may_write",
    "named_tables",
    "parse_arguments",
    "sql_statements",
]

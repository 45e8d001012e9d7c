"""Metering: find the tables that a tool call read and the number of records that it returned.

No I/O, no clock, no event loop. State of the process: the caches of parsed SQL and of rules by tool, and the logger of
`sqlglot`, which is disabled when the first statement is parsed. The results depend on the arguments alone, except that
long SQL is unknown until `parse_sql` has parsed it.

`meter`, `meter_decoded` and `tables_in_arguments` take about 5 ms at most, also with a rule, so an event loop may call
them. Exception: the first statement imports `sqlglot`, which takes 0.1 s. `parse_sql` takes up to 50 ms,
and `explain` is unbounded: neither is for an event loop. Imports no other package of the project; the
table in tests/test_imports.py says which packages import it.

Begin reading in `api`: `meter` runs the steps in their order. `result_count` counts the records of a result, with
`json` for values and `text` for texts. `arguments` finds tables, with `sql` for statements. `rules` has the operator's
metering rules. `tool_declarations` reads hints from `tools/list`. `explain` shows each step for one call, and
anonymizes it for a report.
"""

from gateway.metering.api import (
    is_sql_parsed,
    meter,
    meter_decoded,
    parse_sql,
    tables_written,
)
from gateway.metering.arguments import reachable_tables, tables_in_arguments
from gateway.metering.metering_result import ERROR, UNKNOWN, MeteringResult
from gateway.metering.tool_result import MAX_RESULT, ToolResult

__all__ = [
    "ERROR",
    "MAX_RESULT",
    "UNKNOWN",
    "MeteringResult",
    "ToolResult",
    "is_sql_parsed",
    "meter",
    "meter_decoded",
    "parse_sql",
    "reachable_tables",
    "tables_in_arguments",
    "tables_written",
]

"""Metering: find the tables that a tool call read and the number of records that it returned.

Pure functions: no I/O, no clock, no event loop. All but `parse_sql` take about 5 ms at most for any input, so an event
loop may call them; an expensive rule takes about 15 ms. Imports no other package of the project; the table in
tests/test_imports.py says which packages import it.

Begin reading in `api`: `meter` runs the steps in their order. `result_count` counts the records of a result, with
`json` for values and `text` for texts. `arguments` finds tables, with `sql` for statements. `rules` has the operator's
metering rules. `tool_declarations` reads hints from `tools/list`. `explain` shows each step for one call.
"""

from gateway.metering.api import is_sql_parsed, meter, meter_decoded, parse_sql, tables_in_arguments
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
    "tables_in_arguments",
]

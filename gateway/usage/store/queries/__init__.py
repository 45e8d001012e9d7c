"""Queries on usage: the history of single calls, statistics, recent calls, doubtful counts, and the
readers of a table.

Rules:
- An event counts once, also if the table has it twice (except in totals of more than `history.EXACT_TOTAL`).
- An unknown record count stays unknown: `null` in the history, and counted as `unknown_records` in statistics, whose
  `records` are the sum of the known ones.
- Statistics and history agree: both count the same calls, from the same first day of the retention. Statistics count
  calls with the status `denied` as `denied` only.
- Every value reaches ClickHouse as a bound parameter. Every result is bounded, and says if the bound was reached.

`statistics.stats` reads the roll-ups (`sources`), and only the parts of quarter hours at both ends of a `period` from
the log table. Imported by `admin_api` and `gateway.cli`; imports the rest of `gateway.usage.store`.
"""

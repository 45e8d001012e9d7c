"""Logs other than that of the calls: the audit log, and the counts of refused requests.

`log_table` has what both share: the columns, inserts, and the look-up of stored rows. `audit` and `denials` have the
queries of each. A row that was inserted twice counts once in every query.

Imported by `gateway.usage.consumer`, `admin_api` and `gateway.cli`.
"""

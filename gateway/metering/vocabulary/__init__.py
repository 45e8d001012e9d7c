"""The member names, argument names and words of tool names that servers commonly use.

Names are compared in normalized form, without case, `_`, `-`, `.` and spaces: `row_count`, `rowCount` and `ROW COUNT`
are one name. All sets hold normalized names, and common terms only, never the words of one server. `members` names the
members of results, `arguments` the arguments of calls, `tools` the words of tool names. Imported by the modules of
`metering`; imports none of them.
"""

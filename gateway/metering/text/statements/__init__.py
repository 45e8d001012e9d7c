"""Statements of servers in words: messages without records, and stated numbers of records, in eight languages.

`phrases` has the words, `patterns` makes expressions of them, `witnesses` reads stated numbers, `messages` recognizes
`errors`, `empty_results` and `writes`, `stated_parts` counts the parts of a text if it has as many of one type as it
states. Not to be confused with `arguments.statements`, which are SQL. Imported by the other formats of texts and by
`metering.result_count`. Begin with `witnesses`.
"""

"""Readers of the query languages other than SQL: the tables that a query reads and writes.

`languages` tells the language of a text and calls its reader: begin there. There is one module for each language;
`lexer` splits a text; `analysis` has the result, also of `metering.sql`, and collects its tables.

Each reader knows the places in which its language names sources, and little else: about a hundred lines each. A full
parser of each language would be one more dependency each, would reject syntax that is newer than its grammar, and
would not bound its work. A query that a reader does not understand has no analysis; one that may reach what it does
not name is not exhaustive.

Readers never raise, and take time in proportion to the text. Imported by `metering.arguments` and `metering.sql`;
imports `metering.table_names` and `metering.vocabulary`.
"""

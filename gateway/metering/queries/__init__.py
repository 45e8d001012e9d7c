"""Readers of the query languages other than SQL: the tables that a query reads and writes.

`languages` tells the language of a text and calls its reader: begin there. There is one module for each language;
`lexer` splits a text, `sources` collects tables, and `analysis` is the result, also of `metering.sql`.

Each reader knows the places in which its language names sources, and little else: about a hundred lines each. The
parsers on package indexes were considered. There are none for SPL, ES|QL, PPL and InfluxQL, those for KQL and Cypher
are generated and take 10 ms for a query, and none bounds its work. A query that a reader does not understand has no
analysis; one that may reach what it does not name is not exhaustive.

Readers never raise, and take time in proportion to the text. Imported by `metering.arguments` and `metering.sql`;
imports `metering.table_names`.
"""

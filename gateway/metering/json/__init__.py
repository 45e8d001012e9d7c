"""JSON values: reading their structure within bounds, and counting the records in them.

`structure` reads a value, with `partial_values` for what was skipped. `shapes` counts the records in a value and
`object_shapes` those in an object: `object_members` classifies its members, `outcomes` recognizes an object that is
one answer, `object_lists` counts its lists, `object_signs` adds the signs of what is beside the records, `groups` adds
up lists in lists, and `witnesses` compares the count with the numbers that it states. `objects` and `maps` classify
objects by their members, `columnar` counts rows that are listed by column, and `signs` gives signs by their names.
Imported by `metering.result_count`, `metering.explain`, `metering.rules` and `metering.text`; imports
`metering.arguments` and `metering.vocabulary`. Begin with `structure`, then `shapes`.
"""

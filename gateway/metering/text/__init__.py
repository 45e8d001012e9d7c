"""Texts: counting the records in text content by its format.

`formats` tries the formats in their order: `statements` (errors, nothing found, rows affected), JSON and `python_repr`,
`markup`, `tables`, `key_value_text`, `lists`. `lines` has what they share. To add a format, write a module with a
function that returns a `Count`, or `None` for a text in another format, and add it to `formats`. Imported by
`metering.result_count`; imports `metering.json`, `metering.arguments` and `metering.vocabulary`. Begin with `formats`.
"""

"""Texts: counting the records in text content by its format.

`formats` tries `statements` (errors, nothing found, rows affected), `embedded` (JSON, and reprs with `python_repr`) and
`line_formats`: `markup`, `tables`, `yaml_text`, `key_value_text`, `lists`. `lines`, `line_types` and `outline` have
what they share. To add a format, write a module with a function that returns a `Count`, or `None` for a text in another
format, and add it to `line_formats`. Imported by `metering.result_count`; imports `metering.json`, `metering.arguments`
and `metering.vocabulary`. Begin with `formats`.
"""

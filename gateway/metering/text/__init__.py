"""Texts: counting the records in text content by its format.

`formats` tries `statements` (errors, nothing found, rows affected), `embedded` (JSON, and reprs with `python_repr`)
and `line_formats`: `markup`, `tables`, `yaml_text`, `key_value_text`, `lists`. They share `lines` (splitting a text),
`line_marks` (expressions for bullets, headings, rules, labels), `line_types` (types of lines beside the records) and
`outline` (headings and footers). To add a format, write a module with a function that returns a `Count`, or `None`
for a text in another format, and add it to `line_formats`. Imported by `metering.result_count`; imports
`metering.json`, `metering.arguments` and `metering.vocabulary`. Begin with `formats`.
"""

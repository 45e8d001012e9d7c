"""Tables in texts: `drawn_tables` (with rules and borders), `aligned_columns` (without), `delimited` (CSV, TSV, bars),
`single_value` (one value under a heading). Imported by `text.line_formats`. Begin with `drawn_tables`.
"""

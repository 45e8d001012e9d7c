"""Lists in texts: `bullet_lists` (bullets, numbers, names, paths), `grouped_lists` and `headed_sections` (below
headings), `labelled_blocks`, `uniform_lines` (one template), `log_lines`, `program_output` (`ls -l`, `tree`, `grep`,
`git log`). Imported by `text.line_formats`, `text.key_value_text` and `text.statements`. Begin with `bullet_lists`.
"""

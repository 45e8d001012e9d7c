"""Lists in texts: `bullet_lists` (bullets, numbers, names, paths), `grouped_lists` (lists under headings), `log_lines`,
`program_output` (`ls -l`, `tree`, `grep`, `git log`). Imported by `text.formats`. Begin with `bullet_lists`.
"""

"""The operator's metering rules: JMESPath expressions for the tables and records of a tool's calls.

`parsing` reads rules from TOML and checks them, `rules` finds the rule of a tool, `evaluation` runs it on a call,
`expressions` wraps JMESPath, `interpreter` bounds its work; `suggest` proposes rules for tools whose counts are
unknown. Reading the file itself is left to the callers. Imported by `metering.api`, `metering.explain`, `gateway.cli`
and `gateway.proxy`; imports `metering.json`. Begin with `rules`, then `evaluation`.
"""

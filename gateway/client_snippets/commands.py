"""Snippets that are commands, for POSIX shells and for PowerShell."""

from __future__ import annotations

import json
import re
import shlex

from gateway.client_snippets.model import Snippet, Target

_POWERSHELL_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
"""PowerShell takes each of these for a single quote."""


def claude_code(target: Target) -> Snippet:
    # --header takes any number of values, so it must come last: it would take the name as a value.
    command = ["claude", "mcp", "add", "--transport", "http", "--scope", "user"]
    header = f"Authorization: {target.bearer}"
    return Snippet(
        "a terminal",
        f"{shlex.join([*command, target.name, target.url])} \\\n  --header {shlex.quote(header)}",
        (f"Verify it: claude mcp get {target.name}",),
        " ".join([*command, *map(powershell_quote, (target.name, target.url)), "--header", powershell_quote(header)]),
    )


def curl(target: Target) -> Snippet:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, separators=(",", ":"))
    trust = f" --cacert {shlex.quote(target.ca_file)}" if target.ca_file else ""
    return Snippet(
        "a terminal",
        f"curl -s{trust} {shlex.quote(target.url)} \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -H {shlex.quote('Authorization: ' + target.bearer)} \\\n"
        f"  -d {shlex.quote(body)}",
        powershell=f"Invoke-RestMethod {powershell_quote(target.url)} -Method Post -ContentType 'application/json' "
        f"-Headers @{{ Authorization = {powershell_quote(target.bearer)} }} "
        f"-Body {powershell_quote(body)} | ConvertTo-Json -Depth 10",
    )


def powershell_quote(text: str) -> str:
    """Quote a text for PowerShell; nothing in it is expanded."""
    return "'" + _POWERSHELL_QUOTES.sub(r"\g<0>\g<0>", text) + "'"

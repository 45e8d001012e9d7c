"""Configuration snippets that connect MCP clients to the gateway. Pure: nothing is written or printed here.

Each client spells the same three values differently: a name, a URL and an `Authorization` header. The command line, the
dashboard (through `/api/info`) and the start of `up` show these snippets. A new client: a function in `config_files`,
`commands` or `programs`, and an entry here.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.client_snippets import commands, config_files, programs
from gateway.client_snippets.model import DEFAULT_NAME, DEFAULT_URL, PLACEHOLDER, Client, InstallLink, Snippet, Target

CLIENTS: Mapping[str, Client] = {
    "claude-code": Client("Claude Code", commands.claude_code, "node"),
    "claude-desktop": Client("Claude Desktop", config_files.claude_desktop, "node"),
    "cursor": Client("Cursor", config_files.cursor),
    "vscode": Client("VS Code (GitHub Copilot)", config_files.vscode),
    "copilot-cli": Client("GitHub Copilot CLI", config_files.copilot_cli, "node"),
    "codex": Client("OpenAI Codex", config_files.codex),
    "gemini-cli": Client("Gemini CLI", config_files.gemini_cli, "node"),
    "antigravity": Client("Google Antigravity", config_files.antigravity),
    "windsurf": Client("Windsurf", config_files.windsurf),
    "cline": Client("Cline", config_files.cline),
    "roo-code": Client("Roo Code", config_files.roo_code),
    "continue": Client("Continue", config_files.continue_dev),
    "opencode": Client("OpenCode", config_files.opencode, "node"),
    "zed": Client("Zed", config_files.zed),
    "kiro": Client("Kiro", config_files.kiro),
    "lm-studio": Client("LM Studio", config_files.lm_studio),
    "goose": Client("Goose", config_files.goose),
    "python": Client("Python, official SDK", programs.python, "python"),
    "fastmcp": Client("Python, FastMCP", programs.fastmcp, "python"),
    "typescript": Client("TypeScript, official SDK", programs.typescript, "node"),
    "curl": Client("curl", commands.curl, "curl"),
    "other": Client("Other clients", config_files.other),
}
"""The supported clients, by their names on the command line."""

__all__ = ["CLIENTS", "DEFAULT_NAME", "DEFAULT_URL", "PLACEHOLDER", "Client", "InstallLink", "Snippet", "Target"]

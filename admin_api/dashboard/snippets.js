// Configuration snippets of MCP clients for a key and the URL of the proxy.

const NAME = "gateway";

export function curlCall(url, key) {
  return [
    `curl -s ${url} \\`,
    "  -H 'Content-Type: application/json' \\",
    `  -H 'Authorization: Bearer ${key}' \\`,
    `  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'`,
  ].join("\n");
}

export function clientSnippets(url, key) {
  const authorization = `Bearer ${key}`;
  const remote = { type: "http", url, headers: { Authorization: authorization } };
  const json = (value) => JSON.stringify(value, null, 2);
  return [
    ["claude-code", "Claude Code", `claude mcp add --transport http ${NAME} ${url} \\\n  --header "Authorization: ${authorization}"`],
    ["cursor", "Cursor", json({ mcpServers: { [NAME]: { url, headers: remote.headers } } })],
    ["vscode", "VS Code", json({ servers: { [NAME]: remote } })],
    ["other", "Other clients", json({ mcpServers: { [NAME]: remote } })],
    ["curl", "curl", curlCall(url, key)],
  ];
}

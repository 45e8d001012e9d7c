// A page that uses an MCP server with the TypeScript SDK.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** Lists the tools, calls one that reports progress, and returns what came back. */
globalThis.useServer = async ({ url, key, era }) => {
  const requestInit = { headers: { Authorization: `Bearer ${key}` } };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
  const client = new Client({ name: "a page", version: "1" }, { versionNegotiation: { mode: era } });
  await client.connect(transport);
  const { tools } = await client.listTools();
  const steps = [];
  const call = { name: "rest", arguments: { seconds: 0.1 } };
  const result = await client.callTool(call, { onprogress: ({ progress }) => steps.push(progress) });
  const session = transport.sessionId ?? null;
  await transport.terminateSession?.();
  await client.close();
  return { tools: tools.map((tool) => tool.name), result: result.structuredContent, steps, session };
};

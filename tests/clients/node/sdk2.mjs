// The TypeScript SDK, 2.x, as a client. The first argument is the plan, as JSON.
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { byHttp, runActions } from "./actions.mjs";

const plan = JSON.parse(process.argv[2]);
const versionNegotiation = { mode: plan.era };
const newClient = () => new Client({ name: plan.client, version: "1" }, { versionNegotiation });
const open = {
  http: byHttp(StreamableHTTPClientTransport, plan),
  sse: byHttp(SSEClientTransport, plan),
  stdio: () => new StdioClientTransport({ ...plan.bridge, stderr: "ignore" }),
}[plan.transport];
await runActions(newClient, open, (client, call, options) => client.callTool(call, options), plan);

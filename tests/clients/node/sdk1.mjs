// The TypeScript SDK, 1.x, as a client. The first argument is the plan, as JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { byHttp, runActions } from "./actions.mjs";

const plan = JSON.parse(process.argv[2]);
const newClient = () => new Client({ name: plan.client, version: "1" });
const Transport = plan.transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
const open = byHttp(Transport, plan);
await runActions(newClient, open, (client, call, options) => client.callTool(call, undefined, options), plan);

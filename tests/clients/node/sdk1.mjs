// The TypeScript SDK, 1.x, as a client. Its itinerary is its first argument.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { byHttp, travel } from "./journey.mjs";

const itinerary = JSON.parse(process.argv[2]);
const newClient = () => new Client({ name: itinerary.client, version: "1" });
const Transport = itinerary.transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
const open = byHttp(Transport, itinerary);
await travel(newClient, open, (client, call, options) => client.callTool(call, undefined, options), itinerary);

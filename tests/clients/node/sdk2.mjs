// The TypeScript SDK, 2.x, as a client. Its itinerary is its first argument.
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { byHttp, travel } from "./journey.mjs";

const itinerary = JSON.parse(process.argv[2]);
const versionNegotiation = { mode: itinerary.era };
const newClient = () => new Client({ name: itinerary.client, version: "1" }, { versionNegotiation });
const open = {
  http: byHttp(StreamableHTTPClientTransport, itinerary),
  sse: byHttp(SSEClientTransport, itinerary),
  stdio: () => new StdioClientTransport({ ...itinerary.bridge, stderr: "ignore" }),
}[itinerary.transport];
await travel(newClient, open, (client, call, options) => client.callTool(call, options), itinerary);

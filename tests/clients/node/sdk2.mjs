// The TypeScript SDK, 2.x, as a client. Its itinerary is its first argument.
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { travel } from "./journey.mjs";

const itinerary = JSON.parse(process.argv[2]);
const versionNegotiation = { mode: itinerary.era };
const newClient = () => new Client({ name: itinerary.client, version: "1" }, { versionNegotiation });
const Transport = itinerary.transport === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
await travel(newClient, Transport, (client, call, options) => client.callTool(call, options), itinerary);

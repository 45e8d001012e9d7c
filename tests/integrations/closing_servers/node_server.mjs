// An upstream on Node that closes idle connections after a second, and announces it. It answers every request alike.
import { createServer } from "node:http";

const BUSY_MS = 4;
const BODY = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { content: [] } });

const server = createServer({ keepAliveTimeout: 1000 }, (request, response) => {
  request.resume().on("end", () => {
    // Busy, as a server under load: what arrives meanwhile waits in its socket.
    for (const end = performance.now() + BUSY_MS; performance.now() < end; );
    response.setHeader("Content-Type", "application/json");
    response.end(BODY);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));

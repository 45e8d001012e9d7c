// The journey of a TypeScript client, whichever the SDK: one leg after the other, each told as JSON.
//
// A progress report answers itself: it calls the tool `go`, without which the server would not report the next step.

import { setTimeout } from "node:timers/promises";

/** The result of a call, in short. */
function told(result) {
  return result.structuredContent ?? result.content.map((block) => block.text).join();
}

export async function travel(newClient, Transport, callTool, itinerary) {
  const headers = { Authorization: `Bearer ${itinerary.key}` };
  const url = new URL(itinerary.url);
  const open = (options) => new Transport(url, { requestInit: { headers }, ...options });
  let client = newClient();
  let transport = open();
  await client.connect(transport);

  const legs = {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),

    call: async ({ name, args }) => told(await callTool(client, { name, arguments: args })),

    walk: async ({ name, args, go }) => {
      const steps = [];
      const onprogress = async ({ progress }) => {
        steps.push(progress);
        if (go) await callTool(client, { name: go, arguments: { run: args.run } });
      };
      const result = told(await callTool(client, { name, arguments: args }, { onprogress }));
      // Where the server does not wait, the report that comes together with the result is lost in the SDK.
      return { result, steps: go ? steps : steps.slice(0, 1) };
    },

    // Goes away while its call runs, comes back later as another client of the same session, and fetches the result.
    resume: async ({ name, args }) => {
      const token = await new Promise((resolve, reject) => {
        let latest;
        const onprogress = () => resolve(latest);
        const onresumptiontoken = (token) => (latest = token);
        callTool(client, { name, arguments: args }, { onprogress, onresumptiontoken }).catch(reject);
      });
      const { sessionId, protocolVersion } = transport;
      await transport.close();
      await setTimeout(1000);
      client = newClient();
      transport = open({ sessionId, protocolVersion });
      await client.connect(transport);
      return told(await callTool(client, { name, arguments: args }, { resumptionToken: token }));
    },
  };

  const seen = [];
  for (const leg of itinerary.legs) seen.push(await legs[leg.leg](leg));
  if (transport.sessionId) await transport.terminateSession();
  await client.close();
  console.log(JSON.stringify(seen));
}

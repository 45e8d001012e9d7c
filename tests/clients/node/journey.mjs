// The journey of a TypeScript client, whichever the SDK: one leg after the other, each told as JSON.
//
// A progress report answers itself: it calls the tool `go`, without which the server would not report the next step.

import { setTimeout } from "node:timers/promises";

/** The result of a call, in short. */
function told(result) {
  return result.structuredContent ?? result.content.map((block) => block.text).join();
}

/** A fetch that tells when a stream that was taken up again has brought something. */
const telling = (isBack) => async (url, init) => {
  const response = await fetch(url, init);
  if (!new Headers(init.headers).has("last-event-id")) return response;
  const [mine, theirs] = response.body.tee();
  mine.getReader().read().then(isBack);
  return new Response(theirs, response);
};

/** What opens connections to the server, with the key. */
export function byHttp(Transport, { url, key }) {
  const headers = { Authorization: `Bearer ${key}` };
  return (options) => new Transport(new URL(url), { requestInit: { headers }, ...options });
}

export async function travel(newClient, open, callTool, itinerary) {
  let client = newClient();
  let transport = open();
  let left;
  await client.connect(transport);

  // Closes the connection of a call that has begun; gives the token to take its stream up with.
  const leave = async (name, args) => {
    const token = await new Promise((resolve, reject) => {
      let latest;
      const onprogress = () => resolve(latest);
      const onresumptiontoken = (token) => (latest = token);
      callTool(client, { name, arguments: args }, { onprogress, onresumptiontoken }).catch(reject);
    });
    left = transport;
    await transport.close();
    return token;
  };

  // Another client of the same session.
  const comeBack = async (options) => {
    client = newClient();
    transport = open({ ...options, sessionId: left.sessionId });
    transport.setProtocolVersion(left.protocolVersion);
    await client.connect(transport);
  };

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

    // Has the server work on, and asks for the result when it says that it is there.
    task: async ({ name, args }) => {
      for await (const message of client.experimental.tasks.callToolStream({ name, arguments: args })) {
        if (message.type === "error") throw message.error;
        if (message.type === "result") return told(message.result).split("\n")[0];
      }
    },

    // Goes away while its call runs, comes back when it has ended, and fetches the result.
    resume: async ({ name, args }) => {
      const token = await leave(name, args);
      await setTimeout(1000);
      await comeBack();
      return told(await callTool(client, { name, arguments: args }, { resumptionToken: token }));
    },

    // Goes away while its call runs, and comes back before it goes on.
    rejoin: async ({ name, args, go }) => {
      const resumptionToken = await leave(name, args);
      let isBack;
      const back = new Promise((resolve) => (isBack = resolve));
      await comeBack({ fetch: telling(isBack) });
      const result = callTool(client, { name, arguments: args }, { resumptionToken });
      await back;
      for (let step = 0; step < args.steps; step++) await callTool(client, { name: go, arguments: { run: args.run } });
      return told(await result);
    },
  };

  const seen = [];
  for (const leg of itinerary.legs) seen.push(await legs[leg.leg](leg));
  if (transport.sessionId) await transport.terminateSession();
  await client.close();
  console.log(JSON.stringify(seen));
}

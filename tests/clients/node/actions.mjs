// Runs a plan of actions with a TypeScript client of any SDK, and prints the results as JSON.
//
// On each progress notification of `walk` the client calls the tool `go`; without it, the server does not take the next
// step.

import { setTimeout } from "node:timers/promises";

/** Returns the structured content of a result, or its text. */
function content(result) {
  return result.structuredContent ?? result.content.map((block) => block.text).join();
}

/** A fetch that calls back when a resumed stream has delivered data. */
const notifyingFetch = (isBack) => async (url, init) => {
  const response = await fetch(url, init);
  if (!new Headers(init.headers).has("last-event-id")) return response;
  const [mine, theirs] = response.body.tee();
  mine.getReader().read().then(isBack);
  return new Response(theirs, response);
};

/** Returns a function that opens transports to the server, with the key. */
export function byHttp(Transport, { url, key }) {
  const headers = { Authorization: `Bearer ${key}` };
  return (options) => new Transport(new URL(url), { requestInit: { headers }, ...options });
}

export async function runActions(newClient, open, callTool, plan) {
  let client = newClient();
  let transport = open();
  let left;
  await client.connect(transport);

  // Closes the connection of a call after its first progress; returns the token to resume its stream with.
  const disconnect = async (name, args) => {
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

  // Connects another client to the same session.
  const reconnect = async (options) => {
    client = newClient();
    transport = open({ ...options, sessionId: left.sessionId });
    transport.setProtocolVersion(left.protocolVersion);
    await client.connect(transport);
  };

  const actions = {
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),

    call: async ({ name, args }) => content(await callTool(client, { name, arguments: args })),

    walk: async ({ name, args, go }) => {
      const steps = [];
      const onprogress = async ({ progress }) => {
        steps.push(progress);
        if (go) await callTool(client, { name: go, arguments: { run: args.run } });
      };
      const result = content(await callTool(client, { name, arguments: args }, { onprogress }));
      // If the server does not wait, the SDK loses the progress notification that arrives together with the result.
      return { result, steps: go ? steps : steps.slice(0, 1) };
    },

    // Runs the tool as a task, and fetches the result when the task has completed.
    task: async ({ name, args }) => {
      for await (const message of client.experimental.tasks.callToolStream({ name, arguments: args })) {
        if (message.type === "error") throw message.error;
        if (message.type === "result") return content(message.result).split("\n")[0];
      }
    },

    // Disconnects while its call runs, reconnects after its end, and fetches the result.
    resume: async ({ name, args }) => {
      const token = await disconnect(name, args);
      await setTimeout(1000);
      await reconnect();
      return content(await callTool(client, { name, arguments: args }, { resumptionToken: token }));
    },

    // Disconnects while its call runs, and reconnects before it continues.
    rejoin: async ({ name, args, go }) => {
      const resumptionToken = await disconnect(name, args);
      let isBack;
      const back = new Promise((resolve) => (isBack = resolve));
      await reconnect({ fetch: notifyingFetch(isBack) });
      const result = callTool(client, { name, arguments: args }, { resumptionToken });
      await back;
      for (let step = 0; step < args.steps; step++) await callTool(client, { name: go, arguments: { run: args.run } });
      return content(await result);
    },
  };

  const results = [];
  for (const action of plan.actions) results.push(await actions[action.action](action));
  if (transport.sessionId) await transport.terminateSession();
  await client.close();
  console.log(JSON.stringify(results));
}

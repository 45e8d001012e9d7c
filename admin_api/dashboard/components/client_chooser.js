// Configurations of MCP clients: `/api/info` has them with a placeholder for the key.

import { html, useState } from "../html.js";
import { CodeBlock } from "./code.js";
import { Field } from "./form.js";

// A request that lists the tools. Without a key, the placeholder stays.
export function curlCall(info) {
  return info.clients.find(({ client }) => client === "curl").text;
}

// A choice of clients, and the configuration of the chosen one. Install links need a key.
export function ClientChooser({ info, secret = null }) {
  const [chosen, setChosen] = useState(info.clients[0].client);
  const client = info.clients.find((one) => one.client === chosen);
  const fill = (text) => text.replaceAll(info.key_placeholder, secret ?? info.key_placeholder);
  const link = secret && client.link;
  return html`
    <div class="chooser">
      <${Field}
        label="Client"
        name="client"
        value=${chosen}
        options=${info.clients.map((one) => [one.client, one.title])}
        onChange=${(event) => setChosen(event.currentTarget.value)}
      />
      <div class="snippet" aria-live="polite">
        ${link && html`<a class="button small" href=${linkUrl(link, fill)}>Add to ${client.title}</a>`}
        <p class="hint">${link ? "Or put this into " : "Put this into "}${client.where}:</p>
        <${CodeBlock} text=${fill(client.text)} label="For ${client.title}" />
        ${
          client.powershell &&
          html`
            <p class="hint">In PowerShell:</p>
            <${CodeBlock} text=${fill(client.powershell)} label="For ${client.title} in PowerShell" />
          `
        }
        ${client.notes.map((note) => html`<p key=${note} class="hint">${note}</p>`)}
      </div>
    </div>
  `;
}

function linkUrl(link, fill) {
  const config = fill(link.config);
  return link.prefix + encodeURIComponent(link.encoding === "base64" ? base64(config) : config);
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

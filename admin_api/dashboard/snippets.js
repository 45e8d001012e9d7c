// Configurations of MCP clients: `/api/info` has them with a placeholder for the key.

import { codeBlock, el, select, uniqueId } from "./dom.js";

// Without a key, the placeholder stays.
export function curlCall(info) {
  return info.clients.find(({ client }) => client === "curl").text;
}

// A choice of clients, and the configuration of the chosen one. Install links need a key.
export function clientChooser(info, key = null) {
  const fill = (text) => text.replaceAll(info.key_placeholder, key ?? info.key_placeholder);
  const panel = el("div", { class: "snippet", "aria-live": "polite" });
  const id = uniqueId("client");
  const clients = select(info.clients.map(({ client, title }) => [client, title]), info.clients[0].client, { id });
  const show = () => {
    const chosen = info.clients.find(({ client }) => client === clients.value);
    panel.replaceChildren(...content(chosen, fill, key && chosen.link));
  };
  clients.addEventListener("change", show);
  show();
  return el("div", { class: "chooser" }, el("div", { class: "field" }, el("label", { for: id }, "Client"), clients), panel);
}

function content(client, fill, link) {
  const hints = client.notes.map((note) => el("p", { class: "hint" }, note));
  return [
    link && el("a", { class: "button small", href: linkUrl(link, fill) }, `Add to ${client.title}`),
    el("p", { class: "hint" }, link ? "Or put this into " : "Put this into ", client.where, ":"),
    codeBlock(fill(client.text), `For ${client.title}`),
    client.powershell && el("p", { class: "hint" }, "In PowerShell:"),
    client.powershell && codeBlock(fill(client.powershell), `For ${client.title} in PowerShell`),
    ...hints,
  ].filter(Boolean);
}

function linkUrl(link, fill) {
  const config = fill(link.config);
  return link.prefix + encodeURIComponent(link.encoding === "base64" ? base64(config) : config);
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

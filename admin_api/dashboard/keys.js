// The view of API keys: make, show once, rotate, revoke.

import { get, post } from "./api.js";
import { choice, codeBlock, copyButton, el, openDialog, toast } from "./dom.js";
import { ago, date, plural } from "./format.js";
import { createKey, rotateKey } from "./key_dialogs.js";
import { curlCall } from "./snippets.js";

const STATUS = { active: "Active", expired: "Expired", revoked: "Revoked" };

export function keysView(main, session) {
  const state = { everybody: false, activeOnly: false, keys: null };
  const list = el("section", { class: "panel", "aria-label": "Keys", "aria-busy": "true" });
  const reload = async () => {
    list.setAttribute("aria-busy", "true");
    try {
      state.keys = (await get("/api/mcp-keys/list", { all: state.everybody ? "true" : "" })).keys;
      show();
    } catch (error) {
      list.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    } finally {
      list.removeAttribute("aria-busy");
    }
  };
  const actions = {
    create: () => createKey(session, reload),
    rotate: (key) => rotateKey(session, key, reload),
    revoke: (key) => confirmRevoke(key, reload),
  };
  const show = () => list.replaceChildren(...content(state, session, actions));
  const filters = el(
    "div",
    { class: "filters" },
    session.me.is_admin &&
      choice("Whose keys", [["mine", "Mine"], ["all", "Everybody's"]], "mine", (value) => {
        state.everybody = value === "all";
        reload();
      }),
    choice("Which keys", [["all", "All"], ["active", "Active"]], "all", (value) => {
      state.activeOnly = value === "active";
      if (state.keys) show();
    }),
  );
  main.replaceChildren(
    el(
      "div",
      { class: "heading" },
      el("div", {}, el("h1", {}, "API keys"), el("p", { class: "lead" }, "Each MCP client sends a key; its usage is counted under it.")),
      el("button", { type: "button", class: "button primary", id: "create-key", onclick: actions.create }, "Create key"),
    ),
    endpoint(session),
    filters,
    list,
  );
  reload();
}

function endpoint(session) {
  return el(
    "div",
    { class: "endpoint" },
    el("span", { class: "name" }, "MCP endpoint"),
    el("code", {}, session.info.proxy_url),
    copyButton(session.info.proxy_url),
  );
}

function content(state, session, actions) {
  if (state.keys.length === 0) return [noKeys(session, actions)];
  const shown = state.keys.filter((key) => !state.activeOnly || key.status === "active");
  if (shown.length === 0) return [el("p", { class: "empty" }, "No key is active now.")];
  return [keyTable(shown, state.everybody, actions)];
}

function noKeys(session, actions) {
  return el(
    "div",
    { class: "empty" },
    el("h2", {}, "No keys yet"),
    el("p", {}, "Create one, give it to an MCP client, and this shows when it was last used. With a key in hand, this is the first call:"),
    codeBlock(curlCall(session.info.proxy_url, "$API_KEY"), "The first call"),
    el("button", { type: "button", class: "button primary", onclick: actions.create }, "Create the first key"),
  );
}

function keyTable(keys, everybody, actions) {
  const columns = ["Name", ...(everybody ? ["Owner"] : []), "Status", "Limits", "Last used", "Created", "Expires"];
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "stacking" },
      el("caption", { class: "offscreen" }, "API keys, newest first"),
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)), el("th", { scope: "col" }, el("span", { class: "offscreen" }, "Actions")))),
      el("tbody", {}, keys.map((key) => keyRow(key, everybody, actions))),
    ),
  );
}

function keyRow(key, everybody, actions) {
  const cell = (label, ...children) => el("td", { "data-label": label }, ...children);
  const active = key.status === "active";
  return el(
    "tr",
    { class: active ? "" : "inactive" },
    el("th", { scope: "row" }, el("span", { class: "key-name" }, key.key_name), el("code", { class: "prefix", title: key.key_id }, `${key.key_prefix}…`)),
    everybody && cell("Owner", key.owner),
    cell("Status", el("span", { class: `status ${key.status}` }, STATUS[key.status])),
    cell("Limits", limits(key)),
    cell("Last used", key.last_used_at ? ago(key.last_used_at) : el("span", { class: "unknown" }, "never")),
    cell("Created", date(key.created_at)),
    cell("Expires", key.expires_at ? expiry(key) : "never"),
    el(
      "td",
      { class: "row-actions" },
      active && el("button", { type: "button", class: "button small", "aria-label": `Rotate ${key.key_name}`, onclick: () => actions.rotate(key) }, "Rotate"),
      key.status !== "revoked" &&
        el("button", { type: "button", class: "button small danger", "aria-label": `Revoke ${key.key_name}`, onclick: () => actions.revoke(key) }, "Revoke"),
    ),
  );
}

function expiry(key) {
  const days = (new Date(key.expires_at) - Date.now()) / 86_400_000;
  return key.status === "active" && days < 14 ? el("span", { class: "soon" }, ago(key.expires_at)) : date(key.expires_at);
}

function limits(key) {
  const parts = [
    key.allowed_tools && plural(key.allowed_tools.length, "tool"),
    key.allowed_tables && plural(key.allowed_tables.length, "table"),
    key.allowed_ips && plural(key.allowed_ips.length, "address", "addresses"),
    key.rate_limit_per_minute && `${plural(key.rate_limit_per_minute, "call")}/min`,
    key.calls_per_day && `${plural(key.calls_per_day, "call")}/day`,
    key.records_per_day && `${plural(key.records_per_day, "record")}/day`,
  ].filter(Boolean);
  const named = ["allowed_tools", "allowed_tables", "allowed_ips"].flatMap((name) => key[name] ?? []);
  return parts.length === 0 ? "none" : el("span", { title: named.join(", ") }, parts.join(" · "));
}

function confirmRevoke(key, done) {
  const problem = el("p", { class: "problem", role: "alert" });
  const revoke = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await post("/api/mcp-keys/revoke", { key_id: key.key_id });
      dialog.close();
      toast(`${key.key_name} is revoked`);
      done();
    } catch (error) {
      problem.textContent = error.message;
      button.disabled = false;
    }
  };
  const dialog = openDialog(
    "Revoke this key?",
    el(
      "div",
      {},
      el("p", {}, el("strong", {}, key.key_name), " ", el("code", {}, `${key.key_prefix}…`)),
      el("p", {}, "Clients that use it are refused within a moment, and their open streams are cut. This cannot be undone; its usage stays."),
      problem,
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Keep it"),
        el("button", { type: "button", class: "button primary danger", onclick: revoke }, "Revoke key"),
      ),
    ),
  );
}

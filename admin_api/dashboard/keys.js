// The view of API keys: create, list, rotate, revoke.

import { get, post } from "./api.js";
import { codeBlock, copyButton, el, openDialog, toast, toggleGroup } from "./dom.js";
import { date, plural, relativeTime } from "./format.js";
import { connectClient, createKey, rotateKey } from "./key_dialogs.js";
import { curlCall } from "./snippets.js";

const STATUS = { active: "Active", suspended: "Suspended", expired: "Expired", revoked: "Revoked" };

export function keysView(main, session) {
  const state = { allOwners: false, activeOnly: false, keys: null };
  const list = el("section", { class: "panel", "aria-label": "Keys", "aria-busy": "true" });
  const reload = async () => {
    list.setAttribute("aria-busy", "true");
    try {
      state.keys = (await get("api/mcp-keys/list", { all: state.allOwners ? "true" : "" })).keys;
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
      toggleGroup("Owner", [["mine", "Mine"], ["all", "All users"]], "mine", (value) => {
        state.allOwners = value === "all";
        reload();
      }),
    toggleGroup("Status", [["all", "All"], ["active", "Active"]], "all", (value) => {
      state.activeOnly = value === "active";
      if (state.keys) show();
    }),
  );
  main.replaceChildren(
    el(
      "div",
      { class: "heading" },
      el("div", {}, el("h1", {}, "API keys"), el("p", { class: "lead" }, "Each MCP client sends a key, and its usage is counted under that key.")),
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
    el("button", { type: "button", class: "button small", onclick: () => connectClient(session) }, "Connect a client"),
  );
}

function content(state, session, actions) {
  if (state.keys.length === 0) return [noKeys(session, actions)];
  const shown = state.keys.filter((key) => !state.activeOnly || key.status === "active");
  if (shown.length === 0) return [el("p", { class: "empty" }, "No active keys.")];
  return [keyTable(shown, state.allOwners, actions)];
}

function noKeys(session, actions) {
  return el(
    "div",
    { class: "empty" },
    el("h2", {}, "No keys yet"),
    el("p", {}, "Create a key and configure an MCP client with it. To test a key, send a first request, with the key in place of ", el("code", {}, session.info.key_placeholder), ":"),
    codeBlock(curlCall(session.info), "First request"),
    el("button", { type: "button", class: "button primary", onclick: actions.create }, "Create the first key"),
  );
}

function keyTable(keys, allOwners, actions) {
  const columns = ["Name", ...(allOwners ? ["Owner"] : []), "Status", "Limits", "Last used", "Created", "Expires"];
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "stacking" },
      el("caption", { class: "offscreen" }, "API keys, newest first"),
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)), el("th", { scope: "col" }, el("span", { class: "offscreen" }, "Actions")))),
      el("tbody", {}, keys.map((key) => keyRow(key, allOwners, actions))),
    ),
  );
}

function keyRow(key, allOwners, actions) {
  const cell = (label, ...children) => el("td", { "data-label": label }, ...children);
  const active = key.status === "active";
  return el(
    "tr",
    { class: active ? "" : "inactive" },
    el("th", { scope: "row" }, el("span", { class: "key-name" }, key.key_name), el("code", { class: "prefix", title: key.key_id }, `${key.key_prefix}…`)),
    allOwners && cell("Owner", key.owner),
    cell("Status", el("span", { class: `status ${key.status}` }, STATUS[key.status])),
    cell("Limits", limits(key)),
    cell("Last used", key.last_used_at ? relativeTime(key.last_used_at) : el("span", { class: "unknown" }, "never")),
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
  return key.status === "active" && days < 14 ? el("span", { class: "expires-soon" }, relativeTime(key.expires_at)) : date(key.expires_at);
}

function limits(key) {
  const rates = Object.entries(key.tool_rate_limits ?? {}).map(([glob, calls]) => `${glob} ${calls}/min`);
  const parts = [
    key.allowed_tools && plural(key.allowed_tools.length, "tool"),
    key.allowed_tables && plural(key.allowed_tables.length, "table"),
    key.allowed_ips && plural(key.allowed_ips.length, "address", "addresses"),
    key.rate_limit_per_minute && `${plural(key.rate_limit_per_minute, "call")}/min`,
    key.calls_per_day && `${plural(key.calls_per_day, "call")}/day`,
    key.records_per_day && `${plural(key.records_per_day, "record")}/day`,
    key.calls_per_month && `${plural(key.calls_per_month, "call")}/month`,
    key.records_per_month && `${plural(key.records_per_month, "record")}/month`,
    rates.length > 0 && plural(rates.length, "tool limit"),
  ].filter(Boolean);
  const named = ["allowed_tools", "allowed_tables", "allowed_ips"].flatMap((name) => key[name] ?? []);
  return parts.length === 0 ? "none" : el("span", { title: [...named, ...rates].join(", ") }, parts.join(" · "));
}

function confirmRevoke(key, done) {
  const problem = el("p", { class: "problem", role: "alert" });
  const revoke = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await post("api/mcp-keys/revoke", { key_id: key.key_id });
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
      el("p", {}, "Clients that use this key are rejected immediately, and their open streams are closed. This cannot be undone. Its usage data is kept."),
      problem,
      el(
        "div",
        { class: "actions" },
        el("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Cancel"),
        el("button", { type: "button", class: "button primary danger", onclick: revoke }, "Revoke key"),
      ),
    ),
  );
}

// The dialogs that create and rotate a key; each ends with the new secret, which is shown only once.

import { post } from "./api.js";
import { codeBlock, copyButton, el, field, form, openDialog, select } from "./dom.js";
import { clientChooser } from "./snippets.js";

const EXPIRY = [["", "Never"], ["7", "In 7 days"], ["30", "In 30 days"], ["90", "In 90 days"], ["365", "In 1 year"], ["other", "Custom"]];
const OVERLAP = [["0", "Stops working immediately"], ["3600", "Works for 1 more hour"], ["86400", "Works for 1 more day"], ["604800", "Works for 7 more days"]];

export function createKey(session, done) {
  const text = (properties = {}) => el("input", { type: "text", autocomplete: "off", spellcheck: "false", ...properties });
  const number = () => text({ inputmode: "numeric", placeholder: "no limit" });
  const days = text({ inputmode: "numeric", "aria-label": "Days until it expires", placeholder: "days, 1 to 3650", hidden: true, class: "days" });
  const fields = {
    key_name: field("Name", text({ maxlength: 100, name: "key_name" }), "Where the key is used, such as “laptop” or “nightly report”."),
    expires_days: field("Expires", select(EXPIRY, "", { name: "expires_days" })),
    allowed_tools: field("Tools", text({ placeholder: "all tools" }), "Separated by commas. * is a wildcard, as in query_*."),
    allowed_tables: field("Tables", text({ placeholder: "all tables" }), "Separated by commas."),
    allowed_ips: field("Addresses", text({ placeholder: "any address" }), "Addresses or networks, such as 10.0.0.0/8, separated by commas."),
    rate_limit_per_minute: field("Calls per minute", number()),
    calls_per_day: field("Calls per day", number()),
    records_per_day: field("Records per day", number()),
  };
  fields.expires_days.control.after(days);
  fields.expires_days.control.addEventListener("change", (event) => {
    days.hidden = event.target.value !== "other";
    if (!days.hidden) days.focus();
  });
  const { key_name, expires_days, ...others } = fields;
  const limits = el("details", { class: "limits" }, el("summary", {}, "Limits and scopes"), el("div", { class: "grid" }, Object.values(others)));
  const send = async () => {
    const created = await post("api/mcp-keys/create", createBody(fields, days.value));
    dialog.close();
    showSecret(session, created, "Key created");
    done();
  };
  const layout = [key_name, expires_days, limits];
  const dialog = openDialog("Create an API key", form(fields, { submit: "Create key", send, layout, cancel: () => dialog.close() }));
  key_name.control.focus();
}

function createBody(fields, customDays) {
  const value = (name) => fields[name].control.value.trim();
  const body = { key_name: value("key_name") };
  const expires = value("expires_days") === "other" ? customDays.trim() || "0" : value("expires_days");
  if (expires !== "") body.expires_days = asNumber(expires);
  for (const name of ["allowed_tools", "allowed_tables", "allowed_ips"]) {
    const items = value(name).split(",").map((item) => item.trim()).filter(Boolean);
    if (items.length > 0) body[name] = items;
  }
  for (const name of ["rate_limit_per_minute", "calls_per_day", "records_per_day"]) {
    if (value(name) !== "") body[name] = asNumber(value(name));
  }
  return body;
}

// Other texts are sent unchanged: the error of the API says what is required.
function asNumber(text) {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

export function rotateKey(session, key, done) {
  const fields = { overlap_seconds: field("Old secret", select(OVERLAP, "3600"), "Time to configure clients with the new one.") };
  const send = async () => {
    const rotated = await post("api/mcp-keys/rotate", { key_id: key.key_id, overlap_seconds: Number(fields.overlap_seconds.control.value) });
    dialog.close();
    showSecret(session, rotated, "New secret");
    done();
  };
  const dialog = openDialog(
    "Rotate this key?",
    el(
      "div",
      {},
      el("p", {}, el("strong", {}, key.key_name), " gets a new secret. Its name, limits and usage do not change."),
      form(fields, { submit: "Rotate key", send, cancel: () => dialog.close() }),
    ),
  );
}

function showSecret(session, key, title) {
  const done = el("button", { type: "button", class: "button primary" }, "I have stored the key");
  const secret = el(
    "div",
    { class: "secret" },
    el("code", { id: "new-key", tabindex: "0" }, key.api_key),
    copyButton(key.api_key, "Copy key"),
  );
  const dialog = openDialog(
    title,
    el(
      "div",
      {},
      el("p", {}, "This is the secret of ", el("strong", {}, key.key_name), "."),
      el("p", { class: "warning" }, "Copy it now: it is shown only once and cannot be recovered."),
      secret,
      el("h3", {}, "Configure a client"),
      clientChooser(session.info, key.api_key),
      el("div", { class: "actions" }, done),
    ),
    { persistent: true, wide: true },
  );
  done.addEventListener("click", () => dialog.close());
  secret.querySelector("button").focus();
}

export function connectClient(session) {
  const close = el("button", { type: "button", class: "button primary" }, "Close");
  const dialog = openDialog(
    "Connect a client",
    el(
      "div",
      {},
      el("p", {}, "Replace ", el("code", {}, session.info.key_placeholder), " with the secret of a key."),
      clientChooser(session.info),
      el("div", { class: "actions" }, close),
    ),
    { wide: true },
  );
  close.addEventListener("click", () => dialog.close());
}

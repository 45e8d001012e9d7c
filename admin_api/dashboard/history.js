// The table of single calls, with filters, pages and a CSV download.

import { download, get } from "./api.js";
import { el, field, select, uniqueId } from "./dom.js";
import { bytes, count, dateTime, milliseconds, unknown } from "./format.js";

const PAGE_SIZE = 20;
const MAX_ROWS = 10_000;
const STATUSES = [["", "Any"], ["ok", "OK"], ["tool_error", "Tool error"], ["rpc_error", "Protocol error"]];
const STATUS_NAMES = Object.fromEntries(STATUSES);

export function history(session) {
  const state = { page: 1, all: "", query: {} };
  const filters = filterBar((query) => {
    state.query = query;
    state.page = 1;
    reload();
  });
  const body = el("div", { "aria-busy": "true" });
  const save = el("button", { type: "button", class: "button small", onclick: async () => {
    save.disabled = true;
    filters.showProblem("");
    try {
      await download("api/mcp-usage/export", { ...state.query, all: state.all, format: "csv" });
    } catch (error) {
      filters.showProblem(error.message);
    } finally {
      save.disabled = false;
    }
  } }, "Download as CSV");
  const element = el("section", { class: "panel", id: "history", "aria-label": "Calls" }, el("h2", {}, "Calls"), filters.element, body, save);
  let latestRequest = 0;
  const reload = async () => {
    latestRequest += 1;
    const thisRequest = latestRequest;
    body.setAttribute("aria-busy", "true");
    try {
      const page = await get("api/mcp-usage/history", { ...state.query, all: state.all, page: state.page, page_size: PAGE_SIZE });
      if (thisRequest !== latestRequest) return;
      filters.showProblem("");
      body.replaceChildren(callTable(page.items, state.all !== ""), pager(page, (to) => {
        state.page = to;
        reload();
      }));
    } catch (error) {
      if (thisRequest === latestRequest) filters.showProblem(error.message);
    } finally {
      if (thisRequest === latestRequest) body.removeAttribute("aria-busy");
    }
  };
  return {
    element,
    load: (all, stats) => {
      state.all = all;
      state.page = 1;
      filters.setOptions(stats);
      reload();
    },
  };
}

function filterBar(onChange) {
  const attachDatalist = (control) => {
    const options = el("datalist", { id: uniqueId("options") });
    control.setAttribute("list", options.id);
    return options;
  };
  const controls = {
    tool: el("input", { type: "search", placeholder: "any", autocomplete: "off" }),
    table: el("input", { type: "search", placeholder: "any", autocomplete: "off" }),
    key_id: select([["", "Any"]], ""),
    status: select(STATUSES, ""),
    from: el("input", { type: "date" }),
    to: el("input", { type: "date" }),
  };
  const tools = attachDatalist(controls.tool);
  const tables = attachDatalist(controls.table);
  const problem = el("p", { class: "problem", role: "alert" });
  const apply = () => onChange(Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value.trim()])));
  const element = el(
    "form",
    { class: "filter-bar", "aria-label": "Filter calls" },
    field("Tool", controls.tool),
    field("Table", controls.table),
    field("Key", controls.key_id),
    field("Status", controls.status),
    field("From", controls.from),
    field("To", controls.to),
    el("button", { type: "reset", class: "button" }, "Clear"),
    tools,
    tables,
  );
  element.addEventListener("change", apply);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  element.addEventListener("reset", () => setTimeout(apply));
  const setOptions = (stats) => {
    const options = (rows, name) => rows.map((row) => row[name]).filter(Boolean).map((value) => el("option", { value }));
    tools.replaceChildren(...options(stats.by_tool, "tool_name"));
    tables.replaceChildren(...options(stats.by_table, "table_name"));
    const chosen = controls.key_id.value;
    const keys = stats.by_key.map((row) => el("option", { value: row.key_id }, row.key_name || row.key_id));
    controls.key_id.replaceChildren(el("option", { value: "" }, "Any"), ...keys);
    controls.key_id.value = stats.by_key.some((row) => row.key_id === chosen) ? chosen : "";
  };
  return {
    element: el("div", {}, element, problem),
    setOptions,
    showProblem: (message) => (problem.textContent = message),
  };
}

function callTable(items, allOwners) {
  if (items.length === 0) return el("p", { class: "empty small" }, "No calls match these filters.");
  const columns = ["Time", "Tool", "Tables", "Records", "Status", "Duration", "Size", "Key", ...(allOwners ? ["Owner"] : []), "Client"];
  const rightAligned = new Set(["Records", "Duration", "Size"]);
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "stacking calls" },
      el("caption", { class: "offscreen" }, "Calls, newest first"),
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col", class: rightAligned.has(name) ? "right" : "" }, name)))),
      el("tbody", {}, items.map((item) => callRow(item, allOwners))),
    ),
  );
}

function callRow(item, allOwners) {
  const cell = (label, child, className = "") => el("td", { "data-label": label, class: className }, child);
  const none = () => el("span", { class: "unknown" }, "none found");
  return el(
    "tr",
    {},
    cell("Time", dateTime(item.created_at), "nowrap"),
    cell("Tool", el("code", {}, item.tool_name)),
    cell("Tables", [...item.table_names, ...item.written_tables.map((name) => `${name} (written)`)].join(", ") || none()),
    cell("Records", item.record_count === null ? unknown() : count(item.record_count), "right"),
    cell("Status", el("span", { class: `status ${item.is_error ? "error" : "active"}` }, STATUS_NAMES[item.status] ?? item.status)),
    cell("Duration", milliseconds(item.duration_ms), "right nowrap"),
    cell("Size", bytes(item.response_bytes), "right nowrap"),
    cell("Key", item.key_name || item.key_id),
    allOwners && cell("Owner", item.owner),
    cell("Client", [item.client_name, item.client_version].filter(Boolean).join(" ") || el("span", { class: "unknown" }, "not sent"), "nowrap"),
  );
}

function pager(page, onPage) {
  // The API only pages through the newest calls.
  const last = Math.max(1, Math.ceil(Math.min(page.total, MAX_ROWS) / page.page_size));
  const first = page.total === 0 ? 0 : (page.page - 1) * page.page_size + 1;
  const end = Math.min(page.total, page.page * page.page_size);
  const pageButton = (to, text) => el("button", { type: "button", class: "button small", disabled: to < 1 || to > last, onclick: () => onPage(to) }, text);
  return el(
    "nav",
    { class: "pager", "aria-label": "Pages of calls" },
    el("span", { "aria-live": "polite" }, `${count(first)} to ${count(end)} of ${count(page.total)}`),
    el("span", {}, pageButton(page.page - 1, "Newer"), pageButton(page.page + 1, "Older")),
  );
}

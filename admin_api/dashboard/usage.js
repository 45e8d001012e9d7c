// The usage view: totals and breakdowns of a period, and single calls.

import { get } from "./api.js";
import { breakdown, dayChart } from "./charts.js";
import { codeBlock, el, toggleGroup } from "./dom.js";
import { bytes, count, plural, short } from "./format.js";
import { history } from "./history.js";
import { curlCall } from "./snippets.js";

const PERIODS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"]];
const MEASURES = [["records", "Records"], ["calls", "Calls"]];

export function usageView(main, session) {
  const state = { days: "30", measure: "records", allOwners: false, stats: null };
  const summary = el("div", { id: "summary", "aria-busy": "true" });
  const calls = history(session);
  const show = () => summary.replaceChildren(...content(state, session));
  const reload = async () => {
    summary.setAttribute("aria-busy", "true");
    const all = state.allOwners ? "true" : "";
    try {
      state.stats = await get("api/mcp-usage/stats", { days: state.days, all });
      show();
      calls.element.hidden = state.stats.totals.calls === 0;
      calls.load(all, state.stats);
    } catch (error) {
      summary.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
    } finally {
      summary.removeAttribute("aria-busy");
    }
  };
  main.replaceChildren(
    el(
      "div",
      { class: "heading" },
      el("div", {}, el("h1", {}, "Usage"), el("p", { class: "lead" }, "Tool calls that got a response, each counted once. Days are in UTC.")),
      el("button", { type: "button", class: "button", onclick: reload }, "Refresh"),
    ),
    el(
      "div",
      { class: "filters" },
      session.me.is_admin &&
        toggleGroup("Owner", [["mine", "Mine"], ["all", "All users"]], "mine", (value) => {
          state.allOwners = value === "all";
          reload();
        }),
      toggleGroup("Period", PERIODS, state.days, (value) => {
        state.days = value;
        reload();
      }),
      toggleGroup("Measure", MEASURES, state.measure, (value) => {
        state.measure = value;
        if (state.stats) show();
      }),
    ),
    summary,
    calls.element,
  );
  calls.element.hidden = true;
  reload();
}

function content({ stats, measure }, session) {
  if (stats.totals.calls === 0) return [noUsage(stats, session)];
  const name = MEASURES.find(([key]) => key === measure)[1];
  return [
    tiles(stats.totals),
    el("section", { class: "panel" }, el("h2", {}, `${name} by day`), dayChart(stats.by_day, stats.since, stats.days, measure, name)),
    el(
      "div",
      { class: "breakdowns" },
      breakdown("By tool", stats.by_tool, measure, name, (row) => row.tool_name),
      breakdown("By table", stats.by_table, measure, name, (row) => row.table_name ?? el("span", { class: "unknown" }, "no table found")),
      breakdown("By key", stats.by_key, measure, name, (row) => row.key_name || row.key_id),
    ),
    ...(stats.totals.unknown_records > 0 ? [unknownCounts(stats.by_tool)] : []),
  ];
}

// Calls whose records could not be counted: candidates for a metering rule.
function unknownCounts(rows) {
  const panel = breakdown("Unknown counts by tool", rows.filter((row) => row.unknown_records > 0), "unknown_records", "Calls with unknown count", (row) => row.tool_name);
  panel.append(el("p", { class: "hint" }, "A metering rule can define how to count them. This command proposes rules: ", el("code", {}, "mcp-gateway metering suggest --from-history")));
  return panel;
}

function tiles(totals) {
  const tile = (name, value, exact, note) =>
    el("div", { class: "tile" }, el("dt", {}, name), el("dd", {}, el("span", { class: "value", title: exact }, value), el("span", { class: "hint" }, note)));
  const unknown = totals.unknown_records;
  const share = ((100 * totals.errors) / totals.calls).toFixed(1);
  return el(
    "dl",
    { class: "tiles" },
    tile("Records read", short(totals.records), count(totals.records), unknown > 0 ? `and ${plural(unknown, "call")} with unknown count` : "all counts known"),
    tile("Tool calls", short(totals.calls), count(totals.calls), "with a response"),
    tile("Errors", short(totals.errors), count(totals.errors), `${share} % of calls`),
    tile("Responses", bytes(totals.bytes), `${count(totals.bytes)} bytes`, "sent to clients"),
  );
}

function noUsage(stats, session) {
  return el(
    "section",
    { class: "panel empty" },
    el("h2", {}, `No calls in the last ${plural(stats.days, "day")}`),
    el("p", {}, "Tool calls appear here with their tables and record counts. To check that a key works, put it in place of ", el("code", {}, session.info.key_placeholder), ":"),
    codeBlock(curlCall(session.info), "First request"),
    el("p", { class: "hint" }, "This request lists the tools. Only tools/call counts as usage."),
  );
}

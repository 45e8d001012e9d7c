// Totals and breakdowns of a period.

import { bytes, count, milliseconds, plural, share, short } from "../../format.js";
import { html } from "../../html.js";
import { useData } from "../../data.js";
import { href, navigate, useQuery } from "../../router.js";
import { useSession } from "../../session.js";
import { ZONE, ZoneNote, formatClock, formatDay, formatMinute } from "../../times.js";
import { Breakdown } from "../../components/breakdown.js";
import { Chart } from "../../components/chart.js";
import { curlCall } from "../../components/client_chooser.js";
import { CodeBlock } from "../../components/code.js";
import { ToggleGroup } from "../../components/form.js";
import { PeriodPicker, bucketOf, rangeOf } from "../../components/period.js";
import { Empty, Heading, Loaded, Panel, Unknown } from "../../components/state.js";
import { bucketEnd, bucketTimes, valuesOf } from "../../components/timeline.js";
import { OwnerFilter, ownerQuery } from "../../components/owner_filter.js";

const MEASURES = [["records", "Records"], ["calls", "Calls"], ["errors", "Errors and denials"], ["latency", "Latency"]];
const BUCKET_NAMES = { minute: "minute", quarter_hour: "quarter of an hour", hour: "hour", day: "day" };
const LIVE_SECONDS = 10;

export function OverviewView() {
  const [query, change] = useQuery({ measure: "records" });
  const range = rangeOf(query);
  const bucket = bucketOf(range);
  const series = bucket === "day" ? {} : { [`by_${bucket}`]: "true" };
  const filters = { ...ownerQuery(query), key_id: query.key_id, tool: query.tool, table: query.table, client: query.client };
  const isLive = query.live === "on";
  const everybody = query.owner === "*" ? { by_owner: "true" } : {};
  const loaded = useData("api/mcp-usage/stats", { ...range, tz: ZONE, by_client: "true", ...everybody, ...series, ...filters }, { seconds: isLive ? LIVE_SECONDS : 0 });
  return html`
    <${Heading} title="Overview" lead="Tool calls that got a response, each counted once.">
      <button type="button" class="button" aria-pressed=${String(isLive)} onClick=${() => change({ live: isLive ? "" : "on" })}>Live</button>
      <button type="button" class="button" onClick=${loaded.reload}>Refresh</button>
    <//>
    <div class="filters">
      <${OwnerFilter} query=${query} onChange=${change} />
      <${PeriodPicker} query=${query} onChange=${change} />
      <${ToggleGroup} label="Measure" options=${MEASURES} value=${query.measure} onChange=${(measure) => change({ measure })} />
    </div>
    <${ActiveFilters} query=${query} onChange=${change} />
    <${Loaded} ...${loaded}>${(stats) => html`<${Statistics} stats=${stats} query=${query} range=${range} bucket=${bucket} change=${change} />`}<//>
    <${ZoneNote} />
  `;
}

function ActiveFilters({ query, onChange }) {
  const active = ["tool", "table", "key_id", "client"].filter((name) => query[name]);
  if (active.length === 0) return null;
  return html`
    <div class="filters" role="group" aria-label="Filters">
      ${active.map((name) => html`<button key=${name} type="button" class="button small" onClick=${() => onChange({ [name]: "" })}>${name.replace("_id", "")}: <bdi>${query[name]}</bdi> ✕</button>`)}
    </div>
  `;
}

function Statistics({ stats, query, range, bucket, change }) {
  const { totals } = stats;
  if (totals.calls === 0 && !totals.denied) return html`<${NoUsage} />`;
  const measure = query.measure === "latency" || query.measure === "errors" ? "calls" : query.measure;
  const name = measure === "calls" ? "Calls" : "Records";
  // Filters of a breakdown stay within the period and the owner of the view.
  const only = (filter) => href("overview", { ...query, ...filter });
  const breakdowns = [
    ["By tool", stats.by_tool, (row) => row.tool_name, (row) => only({ tool: row.tool_name })],
    ["By table", stats.by_table, (row) => row.table_name ?? html`<${Unknown}>no table found<//>`, (row) => row.table_name && only({ table: row.table_name })],
    ["By key", stats.by_key, (row) => row.key_name || row.key_id, (row) => only({ key_id: row.key_id })],
    stats.by_owner && ["By owner", stats.by_owner, (row) => row.owner, (row) => only({ owner: row.owner })],
    stats.by_client && ["By client", stats.by_client, (row) => row.client_name || html`<${Unknown}>not sent<//>`, (row) => row.client_name && only({ client: row.client_name })],
  ].filter(Boolean);
  return html`
    <${Tiles} totals=${totals} measure=${query.measure} onChoose=${(one) => change({ measure: one })} />
    <${Timeline} stats=${stats} query=${query} range=${range} bucket=${bucket} />
    <div class="breakdowns">
      ${breakdowns.map(([title, rows, label, link]) => html`<${Breakdown} key=${title} title=${title} rows=${rows} measure=${measure} name=${name} label=${label} link=${link} />`)}
    </div>
    ${totals.unknown_records > 0 && html`<${UnknownCounts} rows=${stats.by_tool} />`}
  `;
}

function Tiles({ totals, measure, onChoose }) {
  const unknown = totals.unknown_records;
  const tiles = [
    ["records", "Records read", short(totals.records), count(totals.records), unknown > 0 ? `and ${plural(unknown, "call")} with unknown count` : "all counts known"],
    ["calls", "Tool calls", short(totals.calls), count(totals.calls), `${bytes(totals.bytes)} sent to clients`],
    ["errors", "Errors", short(totals.errors), count(totals.errors), `${share(totals.errors, totals.calls)} of calls, ${plural(totals.denied ?? 0, "denial")}`],
    ["latency", "Median duration", milliseconds(totals.p50_ms), "", `p95 ${milliseconds(totals.p95_ms)}, p99 ${milliseconds(totals.p99_ms)}`],
  ];
  return html`
    <div class="tiles">
      ${tiles.map(([key, name, value, exact, note]) => html`
        <button key=${key} type="button" class="tile" aria-pressed=${String(key === measure)} onClick=${() => onChoose(key)}>
          <span class="name">${name}</span><span class="value" title=${exact}>${value}</span><span class="hint">${note}</span>
        </button>
      `)}
    </div>
  `;
}

function Timeline({ stats, query, range, bucket }) {
  const rows = stats[`by_${bucket}`] ?? [];
  const times = bucketTimes(range, bucket);
  const member = bucket === "day" ? "day" : bucket;
  const bars = (label, measure, color) => ({ label, values: valuesOf(rows, times, member, measure), color, kind: "bars", format: count });
  const lines = (label, measure, color) => ({ label, values: valuesOf(rows, times, member, measure, null), color, kind: "line", format: milliseconds });
  const series = {
    records: [bars("Records", "records", "--accent")],
    calls: [bars("Calls", "calls", "--accent")],
    errors: [bars("Errors", "errors", "--bad"), lines("Denials", "denied", "--warn")].map((one) => ({ ...one, format: count })),
    latency: [lines("p50", "p50_ms", "--accent"), lines("p95", "p95_ms", "--warn"), lines("p99", "p99_ms", "--bad")],
  }[query.measure];
  const title = `${MEASURES.find(([key]) => key === query.measure)[1]} by ${BUCKET_NAMES[bucket]}`;
  const choose = (index) => {
    const [from, to] = [times[index], bucketEnd(times[index], bucket)].map((time) => new Date(time).toISOString());
    const { owner, tool, table, key_id, client } = query;
    navigate("calls", { owner, tool, table, key_id, client, period: "custom", from, to });
  };
  return html`
    <${Panel} title=${title}>
      <${Chart} title=${title} times=${times} series=${series} formatTime=${bucket === "day" ? formatDay : formatMinute} formatTick=${bucket === "day" || bucket === "hour" ? formatDay : formatClock} onChoose=${choose} />
    <//>
  `;
}

// Calls whose records could not be counted: candidates for a metering rule.
function UnknownCounts({ rows }) {
  const unknown = rows.filter((row) => row.unknown_records > 0);
  return html`
    <${Breakdown} title="Unknown counts by tool" rows=${unknown} measure="unknown_records" name="Calls with unknown count" label=${(row) => row.tool_name} />
    <p class="hint">A metering rule can define how to count them. This command proposes rules: <code>mcp-gateway metering suggest --from-history</code></p>
  `;
}

function NoUsage() {
  const { info } = useSession();
  return html`
    <${Empty} title="No calls in this period">
      <p>Tool calls appear here with their tables and record counts. To check that a key works, put it in place of <code>${info.key_placeholder}</code>:</p>
      <${CodeBlock} text=${curlCall(info)} label="First request" />
      <p class="hint">This request lists the tools. Only tools/call counts as usage.</p>
    <//>
  `;
}

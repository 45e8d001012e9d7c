// Totals, a measure over time, and breakdowns of a period.

import { bytes, count, milliseconds, plural, share, short } from "../../format.js";
import { html } from "../../html.js";
import { useData } from "../../data.js";
import { href, useQuery } from "../../router.js";
import { useSession } from "../../session.js";
import { ZONE, ZoneNote } from "../../times.js";
import { Breakdown } from "../../components/breakdown.js";
import { curlCall } from "../../components/client_chooser.js";
import { CodeBlock } from "../../components/code.js";
import { Filter, ToggleGroup } from "../../components/form.js";
import { LONGEST_PERIOD, PeriodPicker, bucketOf, rangeOf } from "../../components/period.js";
import { Empty, Heading, Loaded, Panel, Unknown } from "../../components/state.js";
import { OwnerFilter, ownerQuery } from "../../components/owner_filter.js";
import { Denials } from "./denials.js";
import { MEASURES, measureOf } from "./measures.js";
import { UsageChart, chartTitle } from "./usage_chart.js";

const LIVE_SECONDS = 10;
const FILTERS = ["tool", "table", "key_id", "client"];

export function OverviewView() {
  const [query, change] = useQuery();
  const range = rangeOf(query);
  const bucket = bucketOf(range);
  const series = bucket === "day" ? {} : { [`by_${bucket}`]: "true" };
  const filters = {
    ...ownerQuery(query),
    key_id: query.key_id,
    tool: query.tool,
    table: query.table,
    client: query.client,
  };
  const isLive = query.live === "on";
  const seconds = isLive ? LIVE_SECONDS : 0;
  const refused = { ...range, ...ownerQuery(query), key_id: query.key_id, tool: query.tool };
  const label = query.label ? { by_label: query.label } : {};
  const everybody = query.owner === "*" ? { by_owner: "true" } : {};
  const loaded = useData(
    "api/mcp-usage/stats",
    { ...range, tz: ZONE, by_client: "true", ...label, ...everybody, ...series, ...filters },
    { seconds },
  );
  const measures = Object.entries(MEASURES).map(([key, { title }]) => [key, title]);
  return html`
    <${Heading} title="Overview" lead="Tool calls that got a response, each counted once.">
      <button
        type="button"
        class="button"
        aria-pressed=${String(isLive)}
        title="Refresh every ${LIVE_SECONDS} seconds"
        onClick=${() => change({ live: isLive ? "" : "on" })}
      >
        Live
      </button>
      <button type="button" class="button" onClick=${loaded.reload}>Refresh</button>
    <//>
    <div class="filters">
      <${OwnerFilter} query=${query} onChange=${change} />
      <${PeriodPicker} query=${query} onChange=${change} />
      <${ToggleGroup}
        label="Measure"
        options=${measures}
        value=${measureOf(query)}
        onChange=${(measure) => change({ measure })}
      />
    </div>
    <${ActiveFilters} query=${query} onChange=${change} />
    <${Loaded} ...${loaded}
      >${(stats) => html`<${Statistics} stats=${stats} query=${query} range=${range} bucket=${bucket} change=${change} />`}<//
    >
    ${!query.table && !query.client && html`<${Denials} scope=${refused} seconds=${seconds} />`}
    <${ZoneNote} />
  `;
}

function ActiveFilters({ query, onChange }) {
  const active = FILTERS.filter((name) => query[name]);
  if (active.length === 0) return null;
  return html`
    <div class="filters" role="group" aria-label="Filters">
      ${active.map((name) => {
        const remove = () => onChange({ [name]: "" });
        return html`<button key=${name} type="button" class="button small filter" onClick=${remove}>
          ${name.replace("_id", "")}: <bdi>${query[name]}</bdi> <span aria-hidden="true">✕</span>
        </button>`;
      })}
    </div>
  `;
}

function Statistics({ stats, query, range, bucket, change }) {
  const { totals } = stats;
  if (totals.calls === 0 && totals.denied === 0) return html`<${NoUsage} query=${query} />`;
  const measure = measureOf(query);
  const { owner, tool, table, key_id, client } = query;
  return html`
    <${Tiles} totals=${totals} measure=${measure} onChoose=${(one) => change({ measure: one })} />
    <${Panel} title=${chartTitle(measure, bucket)}>
      <${UsageChart}
        stats=${stats}
        measure=${measure}
        range=${range}
        bucket=${bucket}
        filters=${{ owner, tool, table, key_id, client }}
      />
    <//>
    <${Breakdowns} stats=${stats} query=${query} measure=${MEASURES[measure]} change=${change} />
    ${stats.truncated && html`<p class="hint">Long lists have only their first rows; the totals include all.</p>`}
  `;
}

function Tiles({ totals, measure, onChoose }) {
  const unknown = totals.unknown_records;
  const tiles = [
    [
      "records",
      "Records read",
      short(totals.records),
      count(totals.records),
      unknown > 0 ? `and ${plural(unknown, "call")} with unknown count` : "all counts known",
    ],
    ["calls", "Tool calls", short(totals.calls), count(totals.calls), `${bytes(totals.bytes)} sent to clients`],
    ["errors", "Errors", short(totals.errors), count(totals.errors), `${share(totals.errors, totals.calls)} of calls`],
    ["denied", "Denied calls", short(totals.denied), count(totals.denied), "results that were withheld"],
    [
      "latency",
      "Median duration",
      milliseconds(totals.p50_ms),
      "",
      `p95 ${milliseconds(totals.p95_ms)}, p99 ${milliseconds(totals.p99_ms)}`,
    ],
  ];
  return html`
    <div class="tiles">
      ${tiles.map(
        ([key, name, value, exact, note]) => html`
          <button
            key=${key}
            type="button"
            class="tile"
            aria-pressed=${String(key === measure)}
            onClick=${() => onChoose(key)}
          >
            <span class="name">${name}</span><span class="value" title=${exact}>${value}</span
            ><span class="hint">${note}</span>
          </button>
        `,
      )}
    </div>
  `;
}

function Breakdowns({ stats, query, measure, change }) {
  // Filters of a breakdown stay within the period and the owner of the view.
  const only = (filter) => href("overview", { ...query, ...filter });
  const isUnique = (row) =>
    row.key_name && stats.by_key.filter((other) => other.key_name === row.key_name).length === 1;
  const keyLabel = (row) => (isUnique(row) ? row.key_name : html`${row.key_name} <code>${row.key_id}</code>`);
  const rowsOf = (rows) => rows.filter((row) => row[measure.member] || measure.member === "records");
  const common = { measure: measure.member, name: measure.name, format: measure.format, notes: measure.notes };
  const breakdowns = [
    ["By tool", stats.by_tool, (row) => row.tool_name, (row) => only({ tool: row.tool_name })],
    [
      "By table",
      stats.by_table,
      (row) => row.table_name ?? html`<${Unknown}>no table found<//>`,
      (row) => row.table_name && only({ table: row.table_name }),
    ],
    ["By key", stats.by_key, keyLabel, (row) => only({ key_id: row.key_id })],
    stats.by_owner && ["By owner", stats.by_owner, (row) => row.owner, (row) => only({ owner: row.owner })],
    [
      "By client",
      stats.by_client,
      (row) => row.client_name || html`<${Unknown}>not sent<//>`,
      (row) => row.client_name && only({ client: row.client_name }),
    ],
  ].filter(Boolean);
  return html`
    <div class="breakdowns">
      ${breakdowns.map(
        ([title, rows, label, link]) =>
          html`<${Breakdown} key=${title} rows=${rowsOf(rows)} ...${{ title, label, link, ...common }} />`,
      )}
      <${Breakdown}
        title="By label"
        rows=${rowsOf(stats.by_label ?? [])}
        label=${(row) => row.value ?? html`<${Unknown}>without this label<//>`}
        empty=${query.label ? undefined : "Name a label, such as team, to see its values."}
        ...${common}
      >
        <form class="label-name" onSubmit=${(event) => event.preventDefault()}>
          <${Filter}
            label="Name of the label of keys"
            value=${query.label}
            placeholder="team"
            onChange=${(label) => change({ label })}
          />
        </form>
      <//>
      ${stats.totals.unknown_records > 0 && html`<${UnknownCounts} rows=${stats.by_tool} />`}
    </div>
  `;
}

// Calls whose records could not be counted: candidates for a metering rule.
function UnknownCounts({ rows }) {
  const unknown = rows.filter((row) => row.unknown_records > 0);
  const notes = (row) => [`${share(row.unknown_records, row.calls)} of ${plural(row.calls, "call")}`];
  return html`
    <${Breakdown}
      title="Unknown counts by tool"
      rows=${unknown}
      measure="unknown_records"
      name="Calls with unknown count"
      label=${(row) => row.tool_name}
      notes=${notes}
    >
      <p class="hint">
        A metering rule can define how to count them. This command proposes rules:${" "}
        <code>mcp-gateway metering suggest --from-history</code>
      </p>
    <//>
  `;
}

function NoUsage({ query }) {
  const { info } = useSession();
  const { owner, measure } = query;
  if (FILTERS.some((name) => query[name]))
    return html`<${Empty} title="No calls match these filters"
      ><a href=${href("overview", { ...query, ...Object.fromEntries(FILTERS.map((name) => [name, ""])) })}
        >Remove the filters</a
      ><//
    >`;
  return html`
    <${Empty} title="No calls in this period">
      <p>
        Tool calls appear here with their tables and record counts. To check that a key works, put it in place of${" "}
        <code>${info.key_placeholder}</code>:
      </p>
      <${CodeBlock} text=${curlCall(info)} label="First request" />
      <p class="hint">This request lists the tools. Only tools/call counts as usage.</p>
      <p>
        <a href=${href("overview", { owner, measure, period: LONGEST_PERIOD })}>Show the last 90 days</a> ·
        <a href=${href("keys")}>API keys</a>
      </p>
    <//>
  `;
}

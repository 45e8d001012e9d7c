// The state of the installation: engines, the delivery of usage, findings of the doctor, and versions.

import { count, milliseconds } from "../../format.js";
import { html } from "../../html.js";
import { useData } from "../../data.js";
import { DateTime, RelativeTime, ZoneNote } from "../../times.js";
import { Empty, Heading, KnownStatus, Loaded, Panel, Status, Unknown } from "../../components/state.js";
import { Properties, Table } from "../../components/table.js";
import { DeadLetters } from "./dead_letters.js";

const REFRESH_SECONDS = 15;
const STATUSES = {
  ok: ["active", "OK"],
  warning: ["suspended", "Warning"],
  failed: ["error", "Failed"],
  skipped: ["", "Not checked"],
};
const PRODUCTS = { gateway: "MCP Gateway", python: "Python", redis: "Redis", clickhouse: "ClickHouse" };
const ORDER = ["failed", "warning", "skipped", "ok"];

export function SystemView() {
  const loaded = useData("api/system", {}, { seconds: REFRESH_SECONDS });
  return html`
    <${Heading} title="System" lead="The engines, and the way of usage from the gateway to ClickHouse.">
      <button type="button" class="button" onClick=${loaded.reload}>Refresh</button>
    <//>
    <${Loaded} ...${loaded}>${(system) => html`<${State} system=${system} />`}<//>
    <${DeadLetters} onChanged=${loaded.reload} />
    <${ZoneNote} />
  `;
}

function State({ system }) {
  return html`
    <div class="engines">
      <${Engine} title="Redis" state=${system.redis} />
      <${Engine} title="ClickHouse" state=${system.clickhouse} />
      <${Engine} title="Upstream" state=${system.upstream} />
    </div>
    <${Delivery} system=${system} />
    <${Findings} findings=${system.findings} />
    <${Panel} title="Versions">
      <${Properties}
        rows=${Object.entries(PRODUCTS).map(([name, title]) => [title, system.versions[name] ?? html`<${Unknown} />`])}
      />
    <//>
    <p class="hint">
      Checked <${RelativeTime} at=${system.checked_at} />; checked again every ${REFRESH_SECONDS} seconds.
    </p>
  `;
}

function Engine({ title, state }) {
  return html`
    <${Panel} title=${title} actions=${html`<${KnownStatus} value=${state.status} known=${STATUSES} />`}>
      <p class="finding">
        ${state.detail}${state.latency_ms !== null && html` <span class="hint">in ${milliseconds(state.latency_ms)}</span>`}
      </p>
      ${state.fix && html`<p class="fix"><strong>Fix:</strong> ${state.fix}</p>`}
    <//>
  `;
}

function Delivery({ system: { stream, spool, dead_letters, balance } }) {
  const known = (value) => (value === null ? html`<${Unknown} />` : count(value));
  const since = (at) => at && html` <span class="hint">oldest: <${DateTime} at=${at} /></span>`;
  const rows = [
    ["Entries in the stream", html`${known(stream.entries)}${since(stream.oldest_at)}`],
    [
      "Events only in spools",
      html`${known(spool.events)}${spool.processes > 0 && html` <span class="hint">of ${count(spool.processes)} workers</span>`}`,
    ],
    ["Dead letters", html`${known(dead_letters.entries)}${since(dead_letters.oldest_at)}`],
  ];
  return html`
    <${Panel} title="Delivery of usage">
      <${Properties} rows=${rows} />
      <h3>Books of today and yesterday (UTC)</h3>
      ${balance === null ? html`<p><${Unknown}>They could not be counted in time.<//></p>` : html`<${Books} balance=${balance} />`}
    <//>
  `;
}

function Books({ balance }) {
  const rows = [
    ["Accepted by the workers", balance.accepted],
    ["Stored in ClickHouse", balance.written],
    ["Waiting in the stream", balance.waiting],
    ["Only in spools", balance.spooled],
    ["In dead letters, or dropped", balance.dead_lettered],
    ["In the sums of statistics", balance.summed],
  ];
  return html`
    <p class="result">
      ${
        balance.balanced
          ? html`<${Status} kind="active">Balanced<//>`
          : html`<${Status} kind="error">Out of balance<//> ${difference(balance)}`
      }
    </p>
    <${Properties} rows=${rows.map(([name, value]) => [name, count(value)])} />
  `;
}

function difference({ accepted, written, waiting, spooled, dead_lettered, summed }) {
  const missing = accepted - written - waiting - spooled - dead_lettered;
  if (missing > 0) return `${count(missing)} accepted events are not found.`;
  if (missing < 0) return `${count(-missing)} more events are found than were accepted.`;
  return `The statistics have ${count(summed)} calls, and ClickHouse has ${count(written)}.`;
}

function Findings({ findings }) {
  const sorted = [...findings].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  const columns = [
    { key: "name", title: "Check", class: "nowrap", cell: (one) => one.name },
    { key: "status", title: "Status", cell: (one) => html`<${KnownStatus} value=${one.status} known=${STATUSES} />` },
    { key: "finding", title: "Finding", class: "wrap", cell: (one) => html`<span>${one.finding}</span>` },
    { key: "fix", title: "Fix", class: "wrap", cell: (one) => html`<span>${one.fix || "–"}</span>` },
  ];
  const table = html`
    <${Table} caption="Findings, the worst first" columns=${columns} rows=${sorted} rowKey=${(one) => one.name} />
  `;
  return html`
    <${Panel} title="Findings of the doctor">
      ${sorted.length === 0 ? html`<${Empty}>Nothing was checked.<//>` : table}
    <//>
  `;
}

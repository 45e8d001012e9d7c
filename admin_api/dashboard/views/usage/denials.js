// Requests that were refused with 403 or 429, the most frequent first.

import { count } from "../../format.js";
import { html, useState } from "../../html.js";
import { useData } from "../../data.js";
import { RelativeTime, ZONE } from "../../times.js";
import { CsvButton, useDownload } from "../../components/downloads.js";
import { Empty, KnownStatus, Loaded, Panel, Unknown } from "../../components/state.js";
import { Name, Table } from "../../components/table.js";
import { KeyLink } from "../keys/key_link.js";

const FIRST = 10;
const MOST = 200;
const STATUSES = { 403: ["error", "Not allowed"], 429: ["suspended", "Limit used up"] };
const REASONS = {
  tool: "tool not allowed",
  table: "table not allowed",
  read_only: "tool that may write",
  address: "address not allowed",
  origin: "web page not allowed",
  rate: "requests per minute",
  tool_rate: "calls per minute of the tool",
  calls: "calls per day or month",
  records: "records per day or month",
  concurrency: "calls at a time",
  wrong_keys: "too many wrong keys",
  handshakes: "too many handshakes",
};

// `scope` selects requests as the API does; with the `key_id` in it, there is no column for keys.
export function Denials({ scope, title = "Refused requests", seconds = 0 }) {
  const [limit, setLimit] = useState(FIRST);
  const loaded = useData("api/mcp-usage/denials", { ...scope, tz: ZONE, limit }, { seconds });
  const [save, problem] = useDownload("api/mcp-usage/denials/export", { ...scope, tz: ZONE });
  return html`
    <${Panel} title=${title} actions=${loaded.data?.denials.length > 0 && html`<${CsvButton} save=${save} />`}>
      <p class="problem" role="alert">${problem}</p>
      <${Loaded} ...${loaded}>${(page) => html`<${DenialTable} page=${page} scope=${scope} />`}<//>
      ${loaded.data?.next_cursor && limit < MOST && html`<button type="button" class="button small" onClick=${() => setLimit(MOST)}>Show more</button>`}
    <//>
  `;
}

function DenialTable({ page, scope }) {
  if (page.denials.length === 0) return html`<${Empty}>No request was refused in this period.<//>`;
  const columns = [
    {
      key: "tool",
      title: "Tool",
      cell: (row) => (row.tool_name ? html`<${Name} as="code" text=${row.tool_name} />` : html`<${Unknown}>none<//>`),
    },
    { key: "status", title: "Status", cell: (row) => html`<${KnownStatus} value=${row.status} known=${STATUSES} />` },
    { key: "reason", title: "Reason", cell: (row) => REASONS[row.reason] ?? row.reason },
    !scope.key_id && {
      key: "key",
      title: "Key",
      cell: (row) =>
        row.key_id ? html`<${KeyLink} id=${row.key_id} name=${row.key_name} />` : html`<${Unknown}>none<//>`,
    },
    scope.all && { key: "owner", title: "Owner", cell: (row) => html`<${Name} text=${row.owner || "–"} />` },
    { key: "count", title: "Times", right: true, cell: (row) => count(row.count) },
    { key: "last", title: "Last", class: "nowrap", cell: (row) => html`<${RelativeTime} at=${row.last_at} />` },
  ].filter(Boolean);
  return html`<${Table}
    caption="Refused requests, the most frequent first"
    columns=${columns}
    rows=${page.denials}
    rowKey=${(row) => [row.key_id, row.owner, row.tool_name, row.status, row.reason].join(" ")}
  />`;
}

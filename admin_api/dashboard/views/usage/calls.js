// Single calls of a period, with filters and downloads.

import { bytes, count, milliseconds } from "../../format.js";
import { html } from "../../html.js";
import { useData } from "../../data.js";
import { useQuery } from "../../router.js";
import { DateTime, ZONE, ZoneNote } from "../../times.js";
import { FormatButtons, useDownload } from "../../components/downloads.js";
import { Filter, FilterBar } from "../../components/form.js";
import { PeriodPicker, rangeOf } from "../../components/period.js";
import { Empty, Heading, Loaded, Panel, Status, Unknown } from "../../components/state.js";
import { CursorPager, Name, Properties, Table } from "../../components/table.js";
import { OwnerFilter, ownerQuery } from "../../components/owner_filter.js";
import { KeyLink } from "../keys/key_link.js";
import { CountDetails } from "./count_details.js";

const PAGE_SIZE = 50;
const STATUSES = { ok: "OK", tool_error: "Tool error", rpc_error: "Protocol error", denied: "Denied" };
export function CallsView() {
  const [query, change] = useQuery();
  const filters = {
    ...rangeOf(query),
    ...ownerQuery(query),
    tool: query.tool,
    table: query.table,
    key_id: query.key_id,
    client: query.client,
    status: query.status,
  };
  const loaded = useData("api/mcp-usage/history", { ...filters, tz: ZONE, limit: PAGE_SIZE, cursor: query.cursor });
  const filter = (name) => (value) => change({ [name]: value });
  const [save, problem] = useDownload("api/mcp-usage/export", filters);
  return html`
    <${Heading} title="Calls" lead="Each answered tools/call, the newest first." />
    <div class="filters">
      <${OwnerFilter} query=${query} onChange=${change} />
      <${PeriodPicker} query=${query} onChange=${change} />
    </div>
    <${Panel} title="Calls" id="history" actions=${html`<${FormatButtons} save=${save} />`}>
      <${FilterBar}
        label="Filter calls"
        onClear=${() => change({ tool: "", table: "", key_id: "", client: "", status: "" })}
      >
        <${Filter} label="Tool" value=${query.tool} onChange=${filter("tool")} />
        <${Filter} label="Table" value=${query.table} onChange=${filter("table")} />
        <${Filter} label="Key" value=${query.key_id} onChange=${filter("key_id")} />
        <${Filter} label="Client" value=${query.client} onChange=${filter("client")} />
        <${Filter}
          label="Status"
          value=${query.status ?? ""}
          options=${[["", "Any"], ...Object.entries(STATUSES)]}
          onChange=${filter("status")}
        />
      <//>
      <p class="problem" role="alert">${problem}</p>
      <${Loaded} ...${loaded}
        >${(page, isLoading) => html`<${CallTable} page=${page} isLoading=${isLoading} query=${query} change=${change} />`}<//
      >
    <//>
    <${ZoneNote} />
  `;
}

function CallTable({ page, isLoading, query, change }) {
  if (page.items.length === 0) return html`<${Empty}>No calls match these filters.<//>`;
  const isEverybody = query.owner === "*";
  const columns = [
    { key: "time", title: "Time", class: "nowrap", cell: (item) => html`<${DateTime} at=${item.created_at} />` },
    { key: "tool", title: "Tool", cell: (item) => html`<${Name} as="code" text=${item.tool_name} />` },
    { key: "tables", title: "Tables", cell: (item) => tables(item) },
    { key: "records", title: "Records", right: true, cell: (item) => records(item) },
    {
      key: "status",
      title: "Status",
      cell: (item) =>
        html`<${Status} kind=${item.status === "denied" ? "suspended" : item.is_error ? "error" : "active"}
          >${STATUSES[item.status] ?? item.status}<//
        >`,
    },
    {
      key: "duration",
      title: "Duration",
      right: true,
      class: "nowrap",
      cell: (item) => milliseconds(item.duration_ms),
    },
    { key: "size", title: "Size", right: true, class: "nowrap", cell: (item) => bytes(item.response_bytes) },
    { key: "key", title: "Key", cell: (item) => html`<${KeyLink} id=${item.key_id} name=${item.key_name} />` },
    isEverybody && { key: "owner", title: "Owner", cell: (item) => html`<${Name} text=${item.owner} />` },
    { key: "client", title: "Client", cell: (item) => client(item) },
  ].filter(Boolean);
  return html`
    <${Table}
      caption="Calls, newest first"
      columns=${columns}
      rows=${page.items}
      rowKey=${(item) => item.event_id}
      details=${callDetails}
    />
    <${CursorPager}
      label="Pages of calls"
      cursor=${query.cursor}
      next=${page.next_cursor}
      total=${page.total}
      isLoading=${isLoading}
      change=${change}
    />
  `;
}

function tables(item) {
  const names = [...item.table_names, ...(item.written_tables ?? []).map((name) => `${name} (written)`)];
  return names.length > 0 ? html`<${Name} text=${names.join(", ")} />` : html`<${Unknown}>none found<//>`;
}

function records(item) {
  if (item.record_count !== null) return count(item.record_count);
  return html`<${Unknown} title="The number of records in the response could not be determined" />`;
}

function client(item) {
  const text = [item.client_name, item.client_version].filter(Boolean).join(" ");
  return text ? html`<${Name} text=${text} />` : html`<${Unknown}>not sent<//>`;
}

function callDetails(item) {
  return html`
    <${CountDetails} item=${item} />
    <${Properties}
      rows=${[
        ["Arguments", html`<code>${item.arguments_hash}</code> (hash)`],
        ["Address", html`<code>${item.client_ip}</code>`],
        ["Protocol", item.protocol_version || html`<${Unknown}>not sent<//>`],
        ["Session", item.session_id ? html`<code>${item.session_id}</code>` : "none"],
        ["Request id", html`<code>${item.request_id}</code>`],
        ["Event", html`<code>${item.event_id}</code>`],
        ["Gateway", html`<code>${item.gateway_id}</code>`],
      ]}
    />
  `;
}

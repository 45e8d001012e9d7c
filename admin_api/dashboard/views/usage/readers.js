// Readers of a table: from a table to owners, keys, clients and tools.

import { count } from "../../format.js";
import { html } from "../../html.js";
import { useData } from "../../data.js";
import { href, useQuery } from "../../router.js";
import { DateTime, ZONE, ZoneNote } from "../../times.js";
import { CsvButton, useDownload } from "../../components/downloads.js";
import { Filter, FilterBar } from "../../components/form.js";
import { PeriodPicker, rangeOf } from "../../components/period.js";
import { Empty, Heading, Loaded, Panel, Unknown } from "../../components/state.js";
import { Name, Table } from "../../components/table.js";
import { OwnerFilter, ownerQuery } from "../../components/owner_filter.js";
import { KeyLink } from "../keys/key_link.js";

export function ReadersView() {
  const [query, change] = useQuery();
  const range = rangeOf(query);
  const scope = { ...range, ...ownerQuery(query), tz: ZONE };
  const known = useData(query.table ? null : "api/mcp-usage/stats", scope);
  const names = (known.data?.by_table ?? []).map((row) => row.table_name).filter(Boolean);
  const readers = useData(query.table ? "api/mcp-usage/readers" : null, { ...scope, table: query.table });
  const [save, problem] = useDownload("api/mcp-usage/readers", { ...scope, table: query.table });
  return html`
    <${Heading} title="Tables" lead="The owners, keys and clients that read a table." />
    <div class="filters">
      <${OwnerFilter} query=${query} onChange=${change} />
      <${PeriodPicker} query=${query} onChange=${change} />
    </div>
    <${Panel} title="Readers" actions=${query.table && html`<${CsvButton} save=${save} />`}>
      <${FilterBar} label="Choose a table">
        <${Filter}
          label="Table"
          value=${query.table}
          placeholder="stock_daily, or sales.*"
          suggestions=${names}
          onChange=${(table) => change({ table })}
        />
      <//>
      <p class="problem" role="alert">${problem}</p>
      ${
        query.table
          ? html`<${Loaded} ...${readers}>${(page) => html`<${ReaderTable} page=${page} query=${query} />`}<//>`
          : html`<${Loaded} ...${known}>${(stats) => html`<${TableList} rows=${stats.by_table} query=${query} />`}<//>`
      }
    <//>
    <${ZoneNote} />
  `;
}

function TableList({ rows, query }) {
  const named = rows.filter((row) => row.table_name);
  if (named.length === 0) return html`<${Empty}>No tables were read in this period.<//>`;
  const columns = [
    {
      key: "table",
      title: "Table",
      cell: (row) =>
        html`<a href=${href("readers", { ...query, table: row.table_name })}><${Name} text=${row.table_name} /></a>`,
    },
    { key: "calls", title: "Calls", right: true, cell: (row) => count(row.calls) },
    { key: "records", title: "Records", right: true, cell: (row) => count(row.records) },
  ];
  return html`<${Table}
    caption="Tables that were read"
    columns=${columns}
    rows=${named}
    rowKey=${(row) => row.table_name}
  />`;
}

function ReaderTable({ page, query }) {
  const all = href("readers", { ...query, table: "" });
  if (page.readers.length === 0)
    return html`<${Empty}>Nobody read <bdi>${query.table}</bdi> in this period. <a href=${all}>All tables</a><//>`;
  const calls = (row) =>
    href("calls", {
      owner: row.owner,
      table: query.table,
      tool: row.tool_name,
      key_id: row.key_id,
      period: query.period,
      from: query.from,
      to: query.to,
    });
  const columns = [
    { key: "owner", title: "Owner", cell: (row) => html`<${Name} text=${row.owner} />` },
    { key: "key", title: "Key", cell: (row) => html`<${KeyLink} id=${row.key_id} name=${row.key_name} />` },
    {
      key: "client",
      title: "Client",
      cell: (row) => (row.client_name ? html`<${Name} text=${row.client_name} />` : html`<${Unknown}>not sent<//>`),
    },
    { key: "tool", title: "Tool", cell: (row) => html`<${Name} as="code" text=${row.tool_name} />` },
    { key: "calls", title: "Calls", right: true, cell: (row) => html`<a href=${calls(row)}>${count(row.calls)}</a>` },
    { key: "records", title: "Records", right: true, cell: (row) => count(row.records) },
    { key: "first", title: "First", class: "nowrap", cell: (row) => html`<${DateTime} at=${row.first_at} />` },
    { key: "last", title: "Last", class: "nowrap", cell: (row) => html`<${DateTime} at=${row.last_at} />` },
  ];
  return html`
    <${Table}
      caption="Readers of ${query.table}"
      columns=${columns}
      rows=${page.readers}
      rowKey=${(row) => [row.key_id, row.client_name, row.tool_name].join(" ")}
    />
    ${page.truncated && html`<p class="hint">Only the readers with the most calls are shown. Narrow the period or the table.</p>`}
  `;
}

// The audit log: who did what.

import { html } from "../../html.js";
import { useData } from "../../data.js";
import { useQuery } from "../../router.js";
import { DateTime, ZoneNote } from "../../times.js";
import { Empty, Heading, Loaded, Panel, Status } from "../../components/state.js";
import { CursorPager, Name, Table } from "../../components/table.js";

const PAGE_SIZE = 50;
const RESULTS = { ok: "Done", denied: "Denied", failed: "Failed" };

export function AuditView() {
  const [query, change] = useQuery();
  const loaded = useData("api/audit", { limit: PAGE_SIZE, cursor: query.cursor });
  return html`
    <${Heading} title="Audit" lead="Logins, exports, denied requests and changes of keys and users, the newest first." />
    <${Panel} title="Acts"><${Loaded} ...${loaded}>${(page, isLoading) => html`<${ActTable} page=${page} isLoading=${isLoading} query=${query} change=${change} />`}<//><//>
    <${ZoneNote} />
  `;
}

function ActTable({ page, isLoading, query, change }) {
  if (page.items.length === 0) return html`<${Empty}>No acts are recorded.<//>`;
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? null));
  const changed = (item, name) => (name in item.before ? `${text(item.before[name])} → ${text(item.after[name])}` : text(item.after[name]));
  const details = (item) => Object.keys({ ...item.before, ...item.after }).map((name) => `${name}: ${changed(item, name)}`).join(", ");
  const columns = [
    { key: "time", title: "Time", class: "nowrap", cell: (item) => html`<${DateTime} at=${item.created_at} />` },
    { key: "actor", title: "Actor", cell: (item) => html`<${Name} text=${item.actor} />` },
    { key: "act", title: "Act", cell: (item) => html`<code>${item.act}</code>` },
    { key: "object", title: "Object", cell: (item) => html`<${Name} text=${item.object || "–"} />` },
    { key: "result", title: "Result", cell: (item) => html`<${Status} kind=${item.result === "ok" ? "active" : "suspended"}>${RESULTS[item.result] ?? item.result}<//>` },
    { key: "address", title: "Address", cell: (item) => html`<code>${item.address}</code>` },
    { key: "details", title: "Details", cell: (item) => html`<${Name} text=${details(item) || "–"} />` },
  ];
  return html`
    <${Table} caption="Acts, newest first" columns=${columns} rows=${page.items} rowKey=${(item) => item.id} />
    <${CursorPager} label="Pages of acts" cursor=${query.cursor} next=${page.next_cursor} isLoading=${isLoading} change=${change} />
  `;
}

// The audit trail: acts on keys and users.

import { html } from "../../html.js";
import { useData } from "../../data.js";
import { useQuery } from "../../router.js";
import { DateTime, ZoneNote } from "../../times.js";
import { Empty, Heading, Loaded, Panel } from "../../components/state.js";
import { CursorPager, Name, Table } from "../../components/table.js";

const PAGE_SIZE = 50;

export function AuditView() {
  const [query, change] = useQuery();
  const loaded = useData("api/audit", { limit: PAGE_SIZE, before: query.cursor });
  return html`
    <${Heading} title="Audit" lead="Logins and changes of keys and users, the newest first." />
    <${Panel} title="Acts"><${Loaded} ...${loaded}>${(page, isLoading) => html`<${ActTable} page=${page} isLoading=${isLoading} query=${query} change=${change} />`}<//><//>
    <${ZoneNote} />
  `;
}

function ActTable({ page, isLoading, query, change }) {
  if (page.items.length === 0) return html`<${Empty}>No acts are recorded.<//>`;
  const details = (item) => Object.entries(item.details).map(([name, value]) => `${name}: ${value}`).join(", ");
  const columns = [
    { key: "time", title: "Time", class: "nowrap", cell: (item) => html`<${DateTime} at=${item.created_at} />` },
    { key: "actor", title: "Actor", cell: (item) => html`<${Name} text=${item.actor} />` },
    { key: "act", title: "Act", cell: (item) => html`<code>${item.action}</code>` },
    { key: "object", title: "Object", cell: (item) => html`<${Name} text=${item.key_id ?? item.user ?? item.owner ?? "–"} />` },
    { key: "address", title: "Address", cell: (item) => html`<code>${item.address}</code>` },
    { key: "details", title: "Details", cell: (item) => html`<${Name} text=${details(item) || "–"} />` },
  ];
  return html`
    <${Table} caption="Acts, newest first" columns=${columns} rows=${page.items} rowKey=${(item) => item.id} />
    <${CursorPager} label="Pages of acts" cursor=${query.cursor} next=${page.next} isLoading=${isLoading} change=${change} />
  `;
}

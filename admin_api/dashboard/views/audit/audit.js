// The audit log: who did what, with the values before and after.

import { html } from "../../html.js";
import { useData } from "../../data.js";
import { useQuery } from "../../router.js";
import { DateTime, ZoneNote } from "../../times.js";
import { FormatButtons, useDownload } from "../../components/downloads.js";
import { Filter, FilterBar } from "../../components/form.js";
import { PeriodPicker, rangeOf } from "../../components/period.js";
import { Empty, Heading, KnownStatus, Loaded, Panel } from "../../components/state.js";
import { CursorPager, InnerTable, Name, Table } from "../../components/table.js";
import { Subject } from "../keys/key_link.js";

const PAGE_SIZE = 50;
const RESULTS = { ok: ["active", "Done"], denied: ["suspended", "Denied"], failed: ["error", "Failed"] };
const ACTS = ["key.*", "user.*", "auth.*", "usage.export", "audit.export", "dead_letter.*", "alert.test"];

export function AuditView() {
  const [query, change] = useQuery();
  const filters = { ...rangeOf(query), actor: query.actor, act: query.act, object: query.object };
  const loaded = useData("api/audit", { ...filters, limit: PAGE_SIZE, cursor: query.cursor });
  const filter = (name) => (value) => change({ [name]: value });
  const [save, problem] = useDownload("api/audit/export", filters);
  return html`
    <${Heading}
      title="Audit"
      lead="Logins, exports, denied requests, and changes of keys and users, the newest first."
    />
    <div class="filters">
      <${PeriodPicker} query=${query} onChange=${change} />
    </div>
    <${Panel} title="Acts" actions=${html`<${FormatButtons} save=${save} />`}>
      <${FilterBar} label="Filter acts" onClear=${() => change({ actor: "", act: "", object: "" })}>
        <${Filter} label="Actor" value=${query.actor} onChange=${filter("actor")} />
        <${Filter}
          label="Act"
          value=${query.act}
          placeholder="key.create, or key.*"
          suggestions=${ACTS}
          onChange=${filter("act")}
        />
        <${Filter} label="Object" value=${query.object} placeholder="key id or email" onChange=${filter("object")} />
      <//>
      <p class="problem" role="alert">${problem}</p>
      <${Loaded} ...${loaded}
        >${(page, isLoading) => html`<${ActTable} page=${page} isLoading=${isLoading} query=${query} change=${change} />`}<//
      >
    <//>
    <${ZoneNote} />
  `;
}

function ActTable({ page, isLoading, query, change }) {
  if (page.items.length === 0) return html`<${Empty}>No acts match these filters.<//>`;
  const columns = [
    { key: "time", title: "Time", class: "nowrap", cell: (item) => html`<${DateTime} at=${item.created_at} />` },
    { key: "actor", title: "Actor", cell: (item) => html`<${Name} text=${item.actor} />` },
    { key: "act", title: "Act", cell: (item) => html`<code>${item.act}</code>` },
    { key: "object", title: "Object", cell: (item) => html`<${Subject} text=${item.object} />` },
    {
      key: "result",
      title: "Result",
      cell: (item) => html`<${KnownStatus} value=${item.result} known=${RESULTS} />`,
    },
    { key: "address", title: "Address", cell: (item) => html`<code>${item.address || "–"}</code>` },
  ];
  return html`
    <${Table}
      caption="Acts, newest first"
      columns=${columns}
      rows=${page.items}
      rowKey=${(item) => item.id}
      details=${changes}
    />
    <${CursorPager}
      label="Pages of acts"
      cursor=${query.cursor}
      next=${page.next_cursor}
      isLoading=${isLoading}
      change=${change}
    />
  `;
}

function changes({ before, after }) {
  const names = Object.keys({ ...before, ...after }).sort();
  if (names.length === 0) return html`<p class="hint">This act has no values.</p>`;
  return html`
    <${InnerTable} caption="Values before and after" titles=${["Field", "Before", "After"]}>
      ${names.map(
        (name) =>
          html`<tr key=${name}>
            <th scope="row">${name}</th>
            <td><bdi>${text(before, name)}</bdi></td>
            <td><bdi>${text(after, name)}</bdi></td>
          </tr>`,
      )}
    <//>
  `;
}

// A field that is absent has no value at that time; `null` is one that was not set.
function text(values, name) {
  if (!Object.hasOwn(values, name)) return "";
  if (values[name] === null) return "not set";
  return typeof values[name] === "string" ? values[name] : JSON.stringify(values[name], null, 1);
}

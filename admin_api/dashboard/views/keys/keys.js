// The list of API keys.

import { plural } from "../../format.js";
import { html, useState } from "../../html.js";
import { useData } from "../../data.js";
import { href, navigate, useQuery } from "../../router.js";
import { useSession } from "../../session.js";
import { DateOf, RelativeTime, ZoneNote } from "../../times.js";
import { curlCall } from "../../components/client_chooser.js";
import { CodeBlock, CopyButton } from "../../components/code.js";
import { Filter, FilterBar } from "../../components/form.js";
import { Empty, Heading, Loaded, Panel, Status, Unknown } from "../../components/state.js";
import { CursorPager, Name, Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { ConnectDialog, CreateDialog, SecretDialog } from "./key_dialogs.js";
import { OwnerFilter, ownerQuery } from "../../components/owner_filter.js";

const PAGE_SIZE = 50;
export const STATUSES = { active: "Active", suspended: "Suspended", expired: "Expired", revoked: "Revoked" };

export function KeysView() {
  const session = useSession();
  const [query, change] = useQuery();
  const [dialog, setDialog] = useState(null);
  const filters = { q: query.q, label: query.label, status: query.status, sort: query.sort, order: query.order };
  const loaded = useData("api/mcp-keys/list", {
    ...ownerQuery(query),
    ...filters,
    limit: PAGE_SIZE,
    cursor: query.cursor,
  });
  const filter = (name) => (value) => change({ [name]: value });
  const close = () => setDialog(null);
  const created = (key) => {
    if (key.replayed) {
      // The answer to the first request was lost, and with it the secret.
      close();
      navigate("keys", {}, key.key_id);
      toast("The key exists, but its secret was lost on the way. Rotate the key to get a new one.");
      return;
    }
    setDialog(html`<${SecretDialog} title="Key created" created=${key} onClose=${close} />`);
    loaded.reload();
  };
  const create = () => setDialog(html`<${CreateDialog} onClose=${close} onCreated=${created} />`);
  const isFiltered = ["q", "label", "status", "cursor"].some((name) => query[name]);
  return html`
    <${Heading} title="API keys" lead="Each MCP client sends a key, and its usage is counted under that key.">
      ${session.role !== "auditor" && html`<button type="button" class="button primary" id="create-key" onClick=${create}>Create key</button>`}
    <//>
    <div class="endpoint">
      <span class="name">MCP endpoint</span><code>${session.info.proxy_url}</code>
      <${CopyButton} text=${session.info.proxy_url} />
      <button
        type="button"
        class="button small"
        onClick=${() => setDialog(html`<${ConnectDialog} onClose=${close} />`)}
      >
        Connect a client
      </button>
    </div>
    <div class="filters"><${OwnerFilter} query=${query} onChange=${change} /></div>
    <${Panel} title="Keys">
      <${FilterBar} label="Filter keys" onClear=${() => change({ q: "", label: "", status: "" })}>
        <${Filter} label="Search" value=${query.q} placeholder="name, id or prefix" onChange=${filter("q")} />
        <${Filter} label="Label" value=${query.label} placeholder="team, or team=red" onChange=${filter("label")} />
        <${Filter}
          label="Status"
          value=${query.status ?? ""}
          options=${[["", "Any"], ...Object.entries(STATUSES)]}
          onChange=${filter("status")}
        />
      <//>
      <${Loaded} ...${loaded}>
        ${(page, isLoading) =>
          page.keys.length === 0 && !isFiltered
            ? html`<${NoKeys} info=${session.info} onCreate=${create} />`
            : html`<${KeyTable} page=${page} isLoading=${isLoading} query=${query} change=${change} />`}
      <//>
    <//>
    <${ZoneNote} />
    ${dialog}
  `;
}

function NoKeys({ info, onCreate }) {
  return html`
    <${Empty} title="No keys yet">
      <p>
        Create a key and configure an MCP client with it. To test a key, send a first request, with the key in place
        of${" "}
        <code>${info.key_placeholder}</code>:
      </p>
      <${CodeBlock} text=${curlCall(info)} label="First request" />
      <button type="button" class="button primary" onClick=${onCreate}>Create the first key</button>
    <//>
  `;
}

function KeyTable({ page, isLoading, query, change }) {
  if (page.keys.length === 0) return html`<${Empty}>No keys match these filters.<//>`;
  const columns = [
    {
      key: "name",
      title: "Name",
      sort: "name",
      cell: (key) =>
        html`<a class="key-name" href=${href("keys", {}, key.key_id)}><${Name} text=${key.key_name} /></a
          ><code class="prefix" title=${key.key_id}>${key.key_prefix}…</code>`,
    },
    query.owner && { key: "owner", title: "Owner", cell: (key) => html`<${Name} text=${key.owner} />` },
    { key: "status", title: "Status", cell: (key) => html`<${Status} kind=${key.status}>${STATUSES[key.status]}<//>` },
    { key: "labels", title: "Labels", cell: (key) => html`<${Labels} labels=${key.labels} />` },
    { key: "limits", title: "Limits", cell: (key) => html`<span class="cut"><${Limits} of=${key} /></span>` },
    {
      key: "used",
      title: "Last used",
      sort: "last_used",
      class: "nowrap",
      cell: (key) => html`<${LastUsed} at=${key.last_used_at} />`,
    },
    {
      key: "created",
      title: "Created",
      sort: "created",
      class: "nowrap",
      cell: (key) => html`<${DateOf} at=${key.created_at} />`,
    },
    {
      key: "expires",
      title: "Expires",
      sort: "expires",
      class: "nowrap",
      cell: (key) => html`<${Expiry} of=${key} />`,
    },
  ].filter(Boolean);
  return html`
    <${Table}
      caption="API keys"
      columns=${columns}
      rows=${page.keys}
      rowKey=${(key) => key.key_id}
      sort=${{ name: query.sort ?? "created", order: query.order ?? "desc" }}
      onSort=${({ name, order }) => change({ sort: name, order })}
      isInactive=${(key) => key.status !== "active"}
    />
    <${CursorPager}
      label="Pages of keys"
      cursor=${query.cursor}
      next=${page.next_cursor}
      total=${page.total}
      isLoading=${isLoading}
      change=${change}
    />
  `;
}

function Labels({ labels = {} }) {
  const texts = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return html`
    <span class="labels">
      ${texts.map((label) => {
        const filter = () => navigate("keys", { label });
        return html`<button key=${label} type="button" class="label-tag" title=${label} onClick=${filter}>
          <bdi>${label}</bdi>
        </button>`;
      })}
    </span>
  `;
}

export function Expiry({ of: key }) {
  if (!key.expires_at) return "never";
  const days = (new Date(key.expires_at) - Date.now()) / 86_400_000;
  if (key.status === "active" && days < 14)
    return html`<span class="expires-soon"><${RelativeTime} at=${key.expires_at} /></span>`;
  return html`<${DateOf} at=${key.expires_at} />`;
}

export function LastUsed({ at }) {
  return at ? html`<${RelativeTime} at=${at} />` : html`<${Unknown}>never<//>`;
}

// The scopes and limits of a key or a policy in one line; the names are in the tooltip.
export function Limits({ of }) {
  const rates = Object.entries(of.tool_rate_limits ?? {}).map(([glob, calls]) => `${glob} ${calls}/min`);
  const parts = [
    of.read_only && "read only",
    of.allowed_tools && plural(of.allowed_tools.length, "tool"),
    of.allowed_tables && plural(of.allowed_tables.length, "table"),
    of.allowed_ips && plural(of.allowed_ips.length, "address", "addresses"),
    of.rate_limit_per_minute && `${plural(of.rate_limit_per_minute, "request")}/min`,
    of.calls_per_day && `${plural(of.calls_per_day, "call")}/day`,
    of.records_per_day && `${plural(of.records_per_day, "record")}/day`,
    of.calls_per_month && `${plural(of.calls_per_month, "call")}/month`,
    of.records_per_month && `${plural(of.records_per_month, "record")}/month`,
    of.max_concurrent && `${of.max_concurrent} at a time`,
    rates.length > 0 && plural(rates.length, "tool limit"),
  ].filter(Boolean);
  const named = ["allowed_tools", "allowed_tables", "allowed_ips"].flatMap((name) => of[name] ?? []);
  return parts.length === 0 ? "none" : html`<span title=${[...named, ...rates].join(", ")}>${parts.join(" · ")}</span>`;
}

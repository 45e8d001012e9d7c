// One key: its secrets, limits, scopes and usage, and the acts on it.

import { post } from "../../api.js";
import { count, milliseconds } from "../../format.js";
import { html, useState } from "../../html.js";
import { useData } from "../../data.js";
import { href } from "../../router.js";
import { useSession } from "../../session.js";
import { DateOf, DateTime, RelativeTime, ZONE, ZoneNote } from "../../times.js";
import { ConfirmDialog } from "../../components/dialog.js";
import { rangeOf } from "../../components/period.js";
import { Empty, Heading, Loaded, Panel, Status, Unknown } from "../../components/state.js";
import { Name, Properties, Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { KeyActs } from "./key_acts.js";
import { pairsText } from "./key_fields.js";
import { Denials } from "../usage/denials.js";
import { UsageChart } from "../usage/usage_chart.js";
import { Expiry, LastUsed, Limits, STATUSES } from "./keys.js";

const LIMIT_NAMES = {
  rate_limit_per_minute: "Requests per minute",
  tool_rate_limits: "Calls per minute",
  calls_per_day: "Calls per day",
  calls_per_month: "Calls per month",
  records_per_day: "Records per day",
  records_per_month: "Records per month",
  max_concurrent: "Calls at a time",
};

export function KeyView({ name: keyId }) {
  const loaded = useData("api/mcp-keys/show", { key_id: keyId }, { seconds: 15 });
  return html`
    <nav aria-label="Path"><a href=${href("keys")}>API keys</a></nav>
    <${Loaded} ...${loaded}>${(key) => html`<${Key} shown=${key} etag=${loaded.etag} reload=${loaded.reload} />`}<//>
    <${ZoneNote} />
  `;
}

function Key({ shown, etag, reload }) {
  const { me, isAdmin } = useSession();
  const [dialog, setDialog] = useState(null);
  const mayChange = isAdmin || shown.owner === me.email;
  return html`
    <${Heading}
      title=${html`<bdi>${shown.key_name}</bdi>`}
      lead=${html`<code>${shown.key_prefix}…</code> <${Status} kind=${shown.status}>${STATUSES[shown.status]}<//>`}
    >
      ${mayChange && html`<${KeyActs} shown=${shown} etag=${etag} setDialog=${setDialog} reload=${reload} />`}
    <//>
    <${Panel} title="About this key">
      <${Properties}
        rows=${[
          ["Key id", html`<code>${shown.key_id}</code>`],
          ["Owner", html`<bdi>${shown.owner}</bdi>`],
          ["Created", html`<${DateOf} at=${shown.created_at} />`],
          ["Expires", html`<${Expiry} of=${shown} />`],
          ["Last used", html`<${LastUsed} at=${shown.last_used_at} />`],
          shown.suspended_at && [
            "Suspended",
            html`<${DateTime} at=${shown.suspended_at} /> by${" "}
              ${shown.suspended_by === "admin" ? "an admin" : "its owner"}`,
          ],
          shown.revoked_at && ["Revoked", html`<${DateTime} at=${shown.revoked_at} />`],
          ["Labels", pairsText(shown.labels) || "none"],
          ["Tools", listed(shown.allowed_tools, "all")],
          ["Tables", listed(shown.allowed_tables, "all")],
          ["Addresses", listed(shown.allowed_ips, "any")],
          ["Read only", shown.read_only ? "yes" : "no"],
          ["Ceiling set by an admin", html`<${Limits} of=${shown.ceiling} />`],
        ]}
      />
    <//>
    <${LimitUse} limits=${shown.limits} />
    <${Secrets} shown=${shown} mayChange=${mayChange} setDialog=${setDialog} reload=${reload} />
    <${Usage} keyId=${shown.key_id} owner=${shown.owner} />
    <${Denials}
      scope=${{ ...rangeOf({}), owner: shown.owner, key_id: shown.key_id }}
      title="Refused requests in the last 30 days"
    />
    ${dialog}
  `;
}

function listed(items, otherwise) {
  return items ? html`<bdi>${items.join(", ")}</bdi>` : otherwise;
}

function LimitUse({ limits }) {
  if (limits.length === 0) return null;
  const title = (limit) => `${LIMIT_NAMES[limit.name] ?? limit.name}${limit.tool ? ` of ${limit.tool}` : ""}`;
  const columns = [
    {
      key: "name",
      title: "Limit",
      cell: (limit) =>
        html`${title(limit)}${limit.of === "owner" && html` <span class="hint">all keys of the owner</span>`}`,
    },
    { key: "used", title: "Used", right: true, cell: (limit) => `${count(limit.used)} of ${count(limit.limit)}` },
    { key: "left", title: "Left", right: true, cell: (limit) => count(limit.left) },
    {
      key: "meter",
      title: "Share used",
      cell: (limit) =>
        html`<meter
          aria-label=${title(limit)}
          min="0"
          max=${limit.limit}
          high=${0.8 * limit.limit}
          value=${Math.min(limit.used, limit.limit)}
        ></meter>`,
    },
    {
      key: "resets",
      title: "Resets",
      class: "nowrap",
      cell: (limit) =>
        limit.resets_at
          ? html`<${RelativeTime} at=${limit.resets_at} />`
          : limit.name === "max_concurrent"
            ? "as calls end"
            : "nothing used",
    },
  ];
  return html`<${Panel} title="Limits"
    ><${Table}
      caption="Limits of this key"
      columns=${columns}
      rows=${limits}
      rowKey=${(limit) => [limit.of, limit.name, limit.tool].join(" ")}
  /><//>`;
}

function Secrets({ shown, mayChange, setDialog, reload }) {
  const close = () => setDialog(null);
  const end = async () => {
    await post("api/mcp-keys/end-overlap", { key_id: shown.key_id });
    reload();
    toast("Only the newest secret is left");
  };
  const ask = () =>
    setDialog(
      html`<${ConfirmDialog} title="End the overlap?" submit="End overlap" send=${end} onClose=${close}
        ><p>Clients that still use an older secret are rejected immediately.</p><//
      >`,
    );
  const actions =
    mayChange &&
    shown.secrets.length > 1 &&
    html`<button type="button" class="button small" onClick=${ask}>End overlap</button>`;
  const columns = [
    {
      key: "prefix",
      title: "Secret",
      cell: (secret) => (secret.prefix ? html`<code>${secret.prefix}…</code>` : html`<${Unknown} />`),
    },
    {
      key: "since",
      title: "Since",
      cell: (secret) => (secret.since ? html`<${DateTime} at=${secret.since} />` : html`<${Unknown} />`),
    },
    {
      key: "until",
      title: "Until",
      cell: (secret) => (secret.until ? html`<${DateTime} at=${secret.until} />` : "the key ends"),
    },
    { key: "used", title: "Last used", cell: (secret) => html`<${LastUsed} at=${secret.last_used_at} />` },
    { key: "client", title: "Client", cell: (secret) => html`<${Name} text=${secret.client || "–"} />` },
    { key: "address", title: "Address", cell: (secret) => html`<code>${secret.address || "–"}</code>` },
  ];
  const rowKey = (secret) => `${secret.prefix} ${secret.since}`;
  const table = html`
    <${Table} caption="Secrets of this key" columns=${columns} rows=${shown.secrets} rowKey=${rowKey} />
  `;
  return html`
    <${Panel} title="Secrets" actions=${actions}>
      ${shown.secrets.length === 0 ? html`<${Empty}>No secret of this key works any more.<//>` : table}
    <//>
  `;
}

function Usage({ keyId, owner }) {
  const scope = { owner, key_id: keyId };
  const range = rangeOf({});
  const stats = useData("api/mcp-usage/stats", { ...scope, ...range, tz: ZONE });
  return html`
    <${Panel}
      title="Usage in the last 30 days"
      actions=${html`
        <a class="button small" href=${href("overview", scope)}>Overview</a>
        <a class="button small" href=${href("calls", scope)}>Calls</a>
      `}
    >
      <${Loaded} ...${stats}>
        ${(loaded) => html`
          <${Sums} totals=${loaded.totals} />
          <${UsageChart} stats=${loaded} measure="calls" range=${range} bucket="day" filters=${scope} />
        `}
      <//>
    <//>
  `;
}

function Sums({ totals }) {
  const rows = [
    ["Calls", count(totals.calls)],
    ["Records", count(totals.records)],
    ["Errors", count(totals.errors)],
    ["Denied calls", count(totals.denied)],
    ["Median duration", milliseconds(totals.p50_ms)],
  ];
  return html`<${Properties} rows=${rows} />`;
}

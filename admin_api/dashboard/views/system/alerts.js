// Alerts of the last 30 days, with the state of their delivery, and a test of the webhook.

import { post } from "../../api.js";
import { plural } from "../../format.js";
import { html, useState } from "../../html.js";
import { useData } from "../../data.js";
import { href, useQuery } from "../../router.js";
import { useSession } from "../../session.js";
import { DateTime, ZoneNote } from "../../times.js";
import { Empty, Heading, KnownStatus, Loaded, Panel } from "../../components/state.js";
import { CursorPager, Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { Subject } from "../keys/key_link.js";

const PAGE_SIZE = 50;
const REFRESH_SECONDS = 15;
const TYPES = {
  limit_80: "Limit at 80 %",
  limit_100: "Limit used up",
  key_expiring: "Key expires",
  dead_letters: "Dead letters",
  usage_unbalanced: "Usage out of balance",
  upstream_unreachable: "Upstream away",
  upstream_refused: "Upstream refuses",
  account_attacked: "Account under attack",
  test: "Test",
};
const STATUSES = { waiting: ["suspended", "Waiting"], sent: ["active", "Sent"], failed: ["error", "Failed"] };

export function AlertsView() {
  const { isAdmin } = useSession();
  const [query, change] = useQuery();
  const [test, setTest] = useState({ isSending: false, problem: "" });
  const loaded = useData("api/alerts", { limit: PAGE_SIZE, cursor: query.cursor }, { seconds: REFRESH_SECONDS });
  const send = async () => {
    setTest({ isSending: true, problem: "" });
    try {
      const alert = await post("api/alerts/test", {});
      if (alert.status === "sent") toast("The test alert was received");
      setTest({
        isSending: false,
        problem:
          alert.status === "sent"
            ? ""
            : `The test alert was not received: ${alert.last_error ?? "there was no attempt yet"}. It is sent again.`,
      });
      loaded.reload();
    } catch (error) {
      setTest({ isSending: false, problem: error.message });
    }
  };
  const isConfigured = loaded.data?.webhook.configured;
  return html`
    <${Heading} title="Alerts" lead="What needs attention, as the webhook was told in the last 30 days.">
      ${
        isAdmin &&
        isConfigured &&
        html`<button type="button" class="button" disabled=${test.isSending} onClick=${send}>
          ${test.isSending ? "Sending…" : "Send a test alert"}
        </button>`
      }
    <//>
    <p class="problem" role="alert">${test.problem}</p>
    <${Loaded} ...${loaded}
      >${(page, isLoading) => html`<${Alerts} page=${page} isLoading=${isLoading} query=${query} change=${change} />`}<//
    >
    <${ZoneNote} />
  `;
}

function Alerts({ page, isLoading, query, change }) {
  const { webhook, items } = page;
  return html`
    <${Receiver} webhook=${webhook} />
    <${Panel} title="Alerts">
      ${items.length === 0 ? html`<${NoAlerts} />` : html`<${AlertTable} items=${items} />`}
      <${CursorPager}
        label="Pages of alerts"
        cursor=${query.cursor}
        next=${page.next_cursor}
        isLoading=${isLoading}
        change=${change}
      />
    <//>
  `;
}

function Receiver({ webhook }) {
  if (webhook.configured) return html`<p>Alerts are sent to <code>${webhook.host}</code>.</p>`;
  return html`<p class="warning">
    No webhook is set, so alerts are sent nowhere. Set <code>GATEWAY_WEBHOOK_URL</code> for the admin process, and
    restart it.
  </p>`;
}

function NoAlerts() {
  const system = html`<a href=${href("system")}>State of the system</a>`;
  return html`<${Empty}>There was no cause for an alert in the last 30 days. ${system}<//>`;
}

function AlertTable({ items }) {
  const columns = [
    { key: "time", title: "Time", class: "nowrap", cell: (alert) => html`<${DateTime} at=${alert.time} />` },
    { key: "type", title: "Cause", class: "nowrap", cell: (alert) => TYPES[alert.type] ?? alert.type },
    { key: "subject", title: "Subject", cell: (alert) => html`<${Subject} text=${alert.subject} />` },
    { key: "text", title: "Text", class: "wrap", cell: (alert) => html`<bdi>${alert.text}</bdi>` },
    { key: "status", title: "Delivery", class: "wrap", cell: (alert) => html`<${Delivery} alert=${alert} />` },
  ];
  return html`<${Table}
    caption="Alerts, newest first"
    columns=${columns}
    rows=${items}
    rowKey=${(alert) => alert.id}
  />`;
}

function Delivery({ alert }) {
  const notes = [alert.attempts > 1 && plural(alert.attempts, "attempt"), alert.last_error].filter(Boolean);
  return html`
    <span>
      <${KnownStatus} value=${alert.status} known=${STATUSES} />
      ${alert.delivered_at && html` <span class="hint"><${DateTime} at=${alert.delivered_at} /></span>`}
      ${notes.length > 0 && html`<span class="hint note"><bdi>${notes.join(" · ")}</bdi></span>`}
    </span>
  `;
}

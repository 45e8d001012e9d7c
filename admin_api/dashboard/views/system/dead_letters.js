// Dead letters: events that ClickHouse refused. Admins store them again after the fault was fixed, or drop them.

import { post } from "../../api.js";
import { bytes, plural } from "../../format.js";
import { html, useState } from "../../html.js";
import { useData } from "../../data.js";
import { useQuery } from "../../router.js";
import { useSession } from "../../session.js";
import { DateTime } from "../../times.js";
import { ConfirmDialog } from "../../components/dialog.js";
import { Empty, Loaded, Panel } from "../../components/state.js";
import { CursorPager, InnerTable, Name, Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";

const PAGE_SIZE = 20;

// `onChanged` is called after letters were stored again or dropped.
export function DeadLetters({ onChanged }) {
  const { isAdmin } = useSession();
  const [query, change] = useQuery();
  const [dialog, setDialog] = useState(null);
  const loaded = useData("api/system/dead-letters", { limit: PAGE_SIZE, cursor: query.cursor });
  const act = (path, chosen, member, done) => async () => {
    const answer = await post(path, chosen);
    toast(`${plural(answer[member], "dead letter")} ${done}`);
    if (query.cursor) change({ cursor: "" });
    else loaded.reload();
    onChanged();
  };
  const close = () => setDialog(null);
  const retry = (chosen, title) =>
    setDialog(html`
      <${ConfirmDialog}
        title=${title}
        submit="Retry"
        danger=${false}
        send=${act("api/system/dead-letters/retry", chosen, "retried", "sent to ClickHouse again")}
        onClose=${close}
      >
        <p>The events are sent to ClickHouse again. What it refuses again comes back here.</p>
      <//>
    `);
  const drop = (chosen, title) =>
    setDialog(html`
      <${ConfirmDialog}
        title=${title}
        submit="Drop"
        send=${act("api/system/dead-letters/drop", chosen, "dropped", "dropped")}
        onClose=${close}
      >
        <p>The events are deleted, and are missing in statistics and invoices. This cannot be undone.</p>
      <//>
    `);
  const all =
    isAdmin &&
    loaded.data?.dead_letters.length > 0 &&
    html`
      <button type="button" class="button small" onClick=${() => retry({ all: true }, "Retry all dead letters?")}>
        Retry all
      </button>
      <button type="button" class="button small danger" onClick=${() => drop({ all: true }, "Drop all dead letters?")}>
        Drop all
      </button>
    `;
  const one = (letter) => html`
    <button
      type="button"
      class="button small"
      aria-label="Retry ${letter.id}"
      onClick=${() => retry({ ids: [letter.id] }, "Retry this dead letter?")}
    >
      Retry
    </button>
    <button
      type="button"
      class="button small danger"
      aria-label="Drop ${letter.id}"
      onClick=${() => drop({ ids: [letter.id] }, "Drop this dead letter?")}
    >
      Drop
    </button>
  `;
  return html`
    <${Panel} title="Dead letters" actions=${all}>
      <${Loaded} ...${loaded}
        >${(page, isLoading) => html`<${LetterTable} page=${page} isLoading=${isLoading} query=${query} change=${change} actions=${isAdmin && one} />`}<//
      >
    <//>
    ${dialog}
  `;
}

function LetterTable({ page, isLoading, query, change, actions }) {
  if (page.dead_letters.length === 0) return html`<${Empty}>ClickHouse has refused no events.<//>`;
  const columns = [
    { key: "at", title: "Refused", class: "nowrap", cell: (letter) => html`<${DateTime} at=${letter.at} />` },
    {
      key: "reason",
      title: "Reason",
      class: "wrap",
      cell: (letter) => html`<bdi class="lines" title=${letter.reason}>${letter.reason}</bdi>`,
    },
    {
      key: "events",
      title: "Events",
      right: true,
      class: "nowrap",
      cell: (letter) => (letter.events.length > 0 ? plural(letter.events.length, "event") : "unreadable"),
    },
    { key: "size", title: "Size", right: true, class: "nowrap", cell: (letter) => bytes(letter.size) },
    actions && { key: "acts", title: "Actions", class: "row-actions", cell: actions },
  ].filter(Boolean);
  return html`
    <${Table}
      caption="Dead letters, the oldest first"
      columns=${columns}
      rows=${page.dead_letters}
      rowKey=${(letter) => letter.id}
      details=${content}
    />
    <${CursorPager}
      label="Pages of dead letters"
      cursor=${query.cursor}
      next=${page.next_cursor}
      isLoading=${isLoading}
      change=${change}
    />
  `;
}

function content(letter) {
  return html`
    <p class="hint">${letter.reason}</p>
    ${letter.events.length === 0 ? html`<p class="hint">The events of this letter cannot be decoded.</p>` : html`<${Events} events=${letter.events} />`}
  `;
}

function Events({ events }) {
  return html`
    <${InnerTable} caption="Events of this letter" titles=${["Event", "Time", "Owner", "Key", "Tool"]}>
      ${events.map(
        (event) => html`
          <tr key=${event.event_id}>
            <th scope="row"><code>${event.event_id}</code></th>
            <td><${DateTime} at=${event.created_at} /></td>
            <td><bdi>${event.owner}</bdi></td>
            <td><code>${event.key_id}</code></td>
            <td><${Name} as="code" text=${event.tool_name} /></td>
          </tr>
        `,
      )}
    <//>
  `;
}

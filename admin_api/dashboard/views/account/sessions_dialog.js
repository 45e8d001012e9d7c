// One's logins, and ending them.

import { post } from "../../api.js";
import { useData } from "../../data.js";
import { html, useState } from "../../html.js";
import { DateTime, RelativeTime } from "../../times.js";
import { Dialog } from "../../components/dialog.js";
import { Loaded } from "../../components/state.js";
import { Name, Table } from "../../components/table.js";

export function SessionsDialog({ onClose }) {
  const loaded = useData("api/auth/sessions");
  const [problem, setProblem] = useState("");
  const end = (session_id) =>
    post("api/auth/sessions/end", session_id ? { session_id } : {}).then(loaded.reload, (error) =>
      setProblem(error.message),
    );
  const columns = [
    {
      key: "used",
      title: "Last used",
      cell: (session) => html`<${RelativeTime} at=${session.last_used_at} />${session.current && " (this one)"}`,
    },
    { key: "started", title: "Since", cell: (session) => html`<${DateTime} at=${session.started_at} />` },
    { key: "address", title: "Address", cell: (session) => html`<code>${session.address}</code>` },
    { key: "agent", title: "Browser or program", cell: (session) => html`<${Name} text=${session.user_agent} />` },
    {
      key: "end",
      title: "End",
      cell: (session) =>
        !session.current &&
        html`<button type="button" class="button small" onClick=${() => end(session.session_id)}>End</button>`,
    },
  ];
  return html`
    <${Dialog} title="Your sessions" wide onClose=${onClose}>
      <${Loaded} ...${loaded}
        >${({ sessions }) => html`<${Table} caption="Your sessions" columns=${columns} rows=${sessions} rowKey=${(session) => session.session_id} />`}<//
      >
      <p class="problem" role="alert">${problem}</p>
      <div class="actions">
        <button type="button" class="button" onClick=${() => end()}>End all others</button>
        <button type="button" class="button primary" onClick=${onClose}>Close</button>
      </div>
    <//>
  `;
}

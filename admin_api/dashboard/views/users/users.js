// Users and service accounts.

import { post } from "../../api.js";
import { html, useState } from "../../html.js";
import { useData } from "../../data.js";
import { href, useQuery } from "../../router.js";
import { useSession } from "../../session.js";
import { DateOf, ZoneNote } from "../../times.js";
import { ConfirmDialog } from "../../components/dialog.js";
import { Filter, FilterBar } from "../../components/form.js";
import { Empty, Heading, Loaded, Panel, Status } from "../../components/state.js";
import { CursorPager, Name, Table } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { Limits } from "../keys/keys.js";
import { AddDialog, DeleteDialog, EditUserDialog, InviteDialog, LinkDialog } from "./user_dialogs.js";

const PAGE_SIZE = 50;
const ROLES = { admin: "Admin", auditor: "Auditor", member: "Member" };

export function UsersView() {
  const { isAdmin } = useSession();
  const [query, change] = useQuery();
  const [dialog, setDialog] = useState(null);
  const loaded = useData("api/users", { q: query.q, limit: PAGE_SIZE, cursor: query.cursor });
  const close = () => setDialog(null);
  const done = (message) => {
    close();
    loaded.reload();
    toast(message);
  };
  const showLink = (title) => (invitation) => {
    setDialog(html`<${LinkDialog} title=${title} invitation=${invitation} onClose=${close} />`);
    loaded.reload();
  };
  const actions = { setDialog, close, done, showLink };
  return html`
    <${Heading} title="Users" lead="Users log in to this page; service accounts own keys of programs.">
      ${
        isAdmin &&
        html`
          <button
            type="button"
            class="button"
            onClick=${() => setDialog(html`<${AddDialog} onClose=${close} onDone=${() => done("Added")} />`)}
          >
            Add
          </button>
          <button
            type="button"
            class="button primary"
            onClick=${() => setDialog(html`<${InviteDialog} onClose=${close} onDone=${showLink("Invitation")} />`)}
          >
            Invite
          </button>
        `
      }
    <//>
    <${Panel} title="Users and service accounts">
      <${FilterBar} label="Filter users">
        <${Filter} label="Search" value=${query.q} placeholder="part of an email" onChange=${(q) => change({ q })} />
      <//>
      <${Loaded} ...${loaded}
        >${(page, isLoading) => html`<${UserTable} page=${page} isLoading=${isLoading} query=${query} change=${change} actions=${actions} />`}<//
      >
    <//>
    <${ZoneNote} />
    ${dialog}
  `;
}

function UserTable({ page, isLoading, query, change, actions }) {
  const { isAdmin } = useSession();
  if (page.users.length === 0) return html`<${Empty}>No users match this search.<//>`;
  const columns = [
    { key: "email", title: "Email", cell: (user) => html`<${Name} text=${user.email} />` },
    { key: "role", title: "Role", cell: (user) => (user.kind === "service" ? "Service account" : ROLES[user.role]) },
    { key: "status", title: "Status", cell: (user) => html`<${StatusOf} user=${user} />` },
    { key: "policy", title: "Policy", cell: (user) => html`<span class="cut"><${Limits} of=${user.policy} /></span>` },
    { key: "created", title: "Created", class: "nowrap", cell: (user) => html`<${DateOf} at=${user.created_at} />` },
    {
      key: "links",
      title: "Keys and usage",
      class: "nowrap",
      cell: (user) => html`<${Links} owner=${user.email} />`,
    },
    isAdmin && {
      key: "acts",
      title: "Actions",
      class: "row-actions",
      cell: (user) => html`<${Acts} user=${user} actions=${actions} />`,
    },
  ].filter(Boolean);
  return html`
    <${Table}
      caption="Users"
      columns=${columns}
      rows=${page.users}
      rowKey=${(user) => user.email}
      isInactive=${(user) => user.disabled}
    />
    <${CursorPager}
      label="Pages of users"
      cursor=${query.cursor}
      next=${page.next_cursor}
      isLoading=${isLoading}
      change=${change}
    />
  `;
}

function Links({ owner }) {
  return html`<span
    ><a href=${href("keys", { owner })}>Keys</a> · <a href=${href("overview", { owner })}>Usage</a></span
  >`;
}

function StatusOf({ user }) {
  if (user.disabled) return html`<${Status} kind="suspended">Disabled<//>`;
  return user.invited ? html`<${Status}>Invited<//>` : html`<${Status} kind="active">Active<//>`;
}

function Acts({ user, actions: { setDialog, close, done, showLink } }) {
  const confirm = (title, submit, text, path, finish) =>
    setDialog(html`
      <${ConfirmDialog}
        title=${title}
        submit=${submit}
        onClose=${close}
        onDone=${finish}
        send=${() => post(path, { email: user.email })}
        ><p>${text}</p><//
      >
    `);
  const button = (text, onClick, danger = false) =>
    html`<button
      type="button"
      class="button small ${danger ? "danger" : ""}"
      aria-label="${text} ${user.email}"
      onClick=${onClick}
    >
      ${text}
    </button>`;
  const disable = () =>
    confirm(
      "Disable this user?",
      "Disable",
      "The user cannot log in, and the user's keys are suspended.",
      "api/users/disable",
      () => done("Disabled"),
    );
  const enable = () =>
    confirm(
      "Enable this user?",
      "Enable",
      "Keys that were suspended with the user work again.",
      "api/users/enable",
      () => done("Enabled"),
    );
  const reset = () =>
    confirm(
      "Reset the password?",
      "Make a link",
      "You get a link that works once. Sessions of the user end when it is used.",
      "api/users/reset-link",
      showLink("Password reset"),
    );
  return html`
    ${button("Edit", () => setDialog(html`<${EditUserDialog} user=${user} onClose=${close} onDone=${() => done("Saved")} />`))}
    ${user.kind === "user" && button("Reset password", reset)}
    ${user.disabled ? button("Enable", enable) : button("Disable", disable)}
    ${button("Delete", () => setDialog(html`<${DeleteDialog} user=${user} onClose=${close} onDone=${() => done("Deleted")} />`), true)}
  `;
}

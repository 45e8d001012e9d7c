// The acts on a key.

import { post } from "../../api.js";
import { html } from "../../html.js";
import { useSession } from "../../session.js";
import { ConfirmDialog } from "../../components/dialog.js";
import { toast } from "../../components/toast.js";
import { ConnectDialog, EditDialog, RotateDialog, SecretDialog, TransferDialog } from "./key_dialogs.js";

// Acts that are only confirmed.
const SUSPEND = {
  title: "Suspend this key?",
  submit: "Suspend key",
  text: "Clients that use it are rejected until it is resumed.",
  path: "api/mcp-keys/suspend",
  done: "The key is suspended",
};
const RESUME = {
  title: "Resume this key?",
  submit: "Resume key",
  text: "Clients that use it are accepted again.",
  path: "api/mcp-keys/resume",
  done: "The key is resumed",
};
const REVOKE = {
  title: "Revoke this key?",
  submit: "Revoke key",
  text:
    "Clients that use this key are rejected immediately, and their open streams are closed. This cannot be undone. " +
    "Its usage data is kept.",
  path: "api/mcp-keys/revoke",
  done: "The key is revoked",
};

export function KeyActs({ shown, etag, setDialog, reload }) {
  const { isAdmin } = useSession();
  const { status } = shown;
  const close = () => setDialog(null);
  const done = (message) => () => {
    close();
    reload();
    toast(message);
  };
  const open = (view, properties = {}) =>
    setDialog(html`<${view} shown=${shown} etag=${etag} onClose=${close} ...${properties} />`);
  const confirm = ({ title, submit, text, path, done: message }) => {
    const send = () => post(path, { key_id: shown.key_id });
    open(ConfirmDialog, { title, submit, send, onDone: done(message), children: html`<p>${text}</p>` });
  };
  const rotated = (created) => {
    open(SecretDialog, { title: "New secret", created });
    reload();
  };
  const acts = [
    ["Connect a client", true, () => open(ConnectDialog)],
    ["Edit", status !== "revoked", () => open(EditDialog, { onDone: done("The key is changed") })],
    ["Rotate", status === "active", () => open(RotateDialog, { onDone: rotated })],
    [
      "Transfer",
      isAdmin && (status === "active" || status === "suspended"),
      () => open(TransferDialog, { onDone: done("The key is transferred") }),
    ],
    ["Suspend", status === "active", () => confirm(SUSPEND)],
    ["Resume", status === "suspended", () => confirm(RESUME)],
    ["Revoke", status !== "revoked", () => confirm(REVOKE), "danger"],
  ];
  return acts
    .filter(([, isPossible]) => isPossible)
    .map(
      ([text, , act, className = ""]) =>
        html`<button key=${text} type="button" class="button ${className}" onClick=${act}>${text}</button>`,
    );
}

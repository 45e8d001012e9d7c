// Modal dialogs.

import { html, useEffect, useId, useRef } from "../html.js";
import { Form } from "./form.js";
import { keepToast } from "./toast.js";

// A modal dialog that is open as long as it is rendered. With `persistent`, Escape does not close it: its content is
// not shown again.
export function Dialog({ title, onClose, persistent = false, wide = false, children }) {
  const id = useId();
  const dialog = useRef(null);
  useEffect(() => {
    const opener = document.activeElement;
    const element = dialog.current;
    element.showModal();
    element.querySelector("[data-focus]")?.focus();
    return () => {
      keepToast();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const onCancel = (event) => {
    if (event.target !== dialog.current) return;
    event.preventDefault();
    if (!persistent) onClose();
  };
  const onKeyDown = (event) => {
    if (persistent && event.key === "Escape") event.preventDefault();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby=${id} class=${wide ? "wide" : ""} onCancel=${onCancel} onKeyDown=${onKeyDown}>
      <h2 id=${id}>${title}</h2>
      ${children}
    </dialog>
  `;
}

// Asks before an act. `send` does it; then the dialog is closed, and `onDone` gets the answer.
export function ConfirmDialog({ title, submit, children, send, onClose, onDone = null, danger = true }) {
  const confirm = async () => {
    const answer = await send();
    onClose();
    onDone?.(answer);
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      ${children}
      <${Form} send=${confirm} submit=${submit} onCancel=${onClose} danger=${danger} />
    <//>
  `;
}

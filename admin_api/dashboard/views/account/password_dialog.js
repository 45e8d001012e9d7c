// Changing one's password.

import { post } from "../../api.js";
import { html } from "../../html.js";
import { useSession } from "../../session.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";

export function PasswordDialog({ onClose, onDone }) {
  const { me } = useSession();
  const send = async ({ current_password, new_password }) => {
    await post("api/auth/password", { current_password, new_password });
    onClose();
    onDone();
  };
  return html`
    <${Dialog} title="Change password" onClose=${onClose}>
      <${Form} send=${send} submit="Change password" onCancel=${onClose}>
        <input type="text" name="username" autocomplete="username" value=${me.email} readonly hidden />
        <${Field} label="Current password" name="current_password" type="password" autocomplete="current-password" />
        <${Field}
          label="New password"
          name="new_password"
          type="password"
          autocomplete="new-password"
          hint="At least 10 characters, and no common password. All other sessions end."
        />
      <//>
    <//>
  `;
}

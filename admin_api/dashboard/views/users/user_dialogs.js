// Dialogs of users: add, invite, edit, delete; a one-time link is shown once.

import { post } from "../../api.js";
import { html, useState } from "../../html.js";
import { Secret } from "../../components/code.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { RestrictionFields, restrictionsOf } from "../keys/key_fields.js";

const ROLES = [
  ["member", "Member: own keys and usage"],
  ["auditor", "Auditor: reads everything, changes nothing"],
  ["admin", "Admin: changes everything"],
];
const KINDS = [
  ["service", "Service account: owns keys, cannot log in"],
  ["user", "User with a password"],
];
const POLICY_NUMBERS = [
  ["max_keys", "Keys at most"],
  ["max_key_days", "Days of a key at most"],
];

export function AddDialog({ onClose, onDone }) {
  const [kind, setKind] = useState("service");
  const send = async (values) => {
    const body = { email: values.email.trim(), kind, role: kind === "user" ? values.role : "member" };
    if (kind === "user") body.password = values.password;
    const policy = restrictionsOf(values, {}, POLICY_NUMBERS);
    if (Object.keys(policy).length > 0) body.policy = policy;
    onDone(await post("api/users/add", body));
  };
  return html`
    <${Dialog} title="Add a user or a service account" wide onClose=${onClose}>
      <${Form} send=${send} submit="Add" onCancel=${onClose}>
        <${Field}
          label="Kind"
          name="kind"
          value=${kind}
          options=${KINDS}
          onChange=${(event) => setKind(event.currentTarget.value)}
        />
        <${Field}
          label="Email"
          name="email"
          type="email"
          data-focus
          hint=${kind === "service" ? "A name in the form of an email, such as reports@example.com." : ""}
        />
        ${
          kind === "user" &&
          html`
            <${Field} label="Role" name="role" value="member" options=${ROLES} />
            <${Field}
              label="Password"
              name="password"
              type="password"
              autocomplete="new-password"
              hint="At least 10 characters, and no common password."
            />
          `
        }
        <${RestrictionFields} extra=${POLICY_NUMBERS} />
      <//>
    <//>
  `;
}

export function InviteDialog({ onClose, onDone }) {
  const send = async ({ email, role }) => onDone(await post("api/users/invite", { email: email.trim(), role }));
  return html`
    <${Dialog} title="Invite a user" onClose=${onClose}>
      <p>You get a link that works once. The user sets a password with it.</p>
      <${Form} send=${send} submit="Make a link" onCancel=${onClose}>
        <${Field} label="Email" name="email" type="email" data-focus />
        <${Field} label="Role" name="role" value="member" options=${ROLES} />
      <//>
    <//>
  `;
}

export function EditUserDialog({ user, onClose, onDone }) {
  const send = async (values) => {
    const body = { email: user.email };
    if (values.role && values.role !== user.role) body.role = values.role;
    const policy = restrictionsOf(values, user.policy, POLICY_NUMBERS);
    if (Object.keys(policy).length > 0) body.policy = policy;
    onDone(await post("api/users/update", body));
  };
  return html`
    <${Dialog} title="Edit this user" wide onClose=${onClose}>
      <p><bdi>${user.email}</bdi></p>
      <${Form} send=${send} submit="Save" onCancel=${onClose}>
        ${user.kind === "user" && html`<${Field} label="Role" name="role" value=${user.role} options=${ROLES} />`}
        <${RestrictionFields} of=${user.policy} extra=${POLICY_NUMBERS} isOpen />
      <//>
    <//>
  `;
}

export function DeleteDialog({ user, onClose, onDone }) {
  const send = async ({ transfer_to }) =>
    onDone(
      await post("api/users/delete", {
        email: user.email,
        ...(transfer_to.trim() && { transfer_to: transfer_to.trim() }),
      }),
    );
  return html`
    <${Dialog} title="Delete this user?" onClose=${onClose}>
      <p><bdi>${user.email}</bdi> is deleted. This cannot be undone. Usage data and the audit log are kept.</p>
      <${Form} send=${send} submit="Delete" onCancel=${onClose} danger>
        <${Field}
          label="Transfer the keys to"
          name="transfer_to"
          type="email"
          hint="Only needed for a user with keys."
        />
      <//>
    <//>
  `;
}

export function LinkDialog({ title, invitation, onClose }) {
  return html`
    <${Dialog} title=${title} persistent wide onClose=${onClose}>
      <p>Send this link to <bdi>${invitation.email}</bdi>. It works once.</p>
      <p class="warning">Copy it now: it is shown only once.</p>
      <${Secret} text=${invitation.link} label="Copy link" />
      <div class="actions"><button type="button" class="button primary" onClick=${onClose}>Close</button></div>
    <//>
  `;
}

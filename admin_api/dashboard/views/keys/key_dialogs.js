// Dialogs of keys: create, edit, rotate, transfer; a new secret is shown once.

import { post } from "../../api.js";
import { html, useState } from "../../html.js";
import { useSession } from "../../session.js";
import { ClientChooser } from "../../components/client_chooser.js";
import { Secret } from "../../components/code.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Form, asNumber } from "../../components/form.js";
import { RestrictionFields, pairsOf, pairsText, restrictionsOf } from "./key_fields.js";

const EXPIRY = [
  ["", "Never"],
  ["7", "In 7 days"],
  ["30", "In 30 days"],
  ["90", "In 90 days"],
  ["365", "In 1 year"],
  ["other", "Custom"],
];
const OVERLAP = [
  ["0", "Stops working immediately"],
  ["3600", "Works for 1 more hour"],
  ["86400", "Works for 1 more day"],
  ["604800", "Works for 7 more days"],
];

export function CreateDialog({ onClose, onCreated }) {
  const { isAdmin, me } = useSession();
  const [idempotencyKey] = useState(() => crypto.randomUUID?.() ?? String(Math.random()));
  const send = async (values) => {
    const body = { key_name: values.key_name.trim(), ...expiryOf(values), ...restrictionsOf(values) };
    const labels = pairsOf(values.labels);
    if (labels) body.labels = labels;
    if (values.owner?.trim()) body.owner = values.owner.trim();
    onCreated(await post("api/mcp-keys/create", body, { "Idempotency-Key": idempotencyKey }));
  };
  return html`
    <${Dialog} title="Create an API key" wide onClose=${onClose}>
      <${Form} send=${send} submit="Create key" onCancel=${onClose}>
        <${Field}
          label="Name"
          name="key_name"
          maxlength="100"
          data-focus
          hint="The place where the key is used, such as “laptop” or “nightly report”."
        />
        ${isAdmin && html`<${Field} label="Owner" name="owner" type="email" placeholder=${me.email} hint="A user or a service account." />`}
        <${ExpiryField} initial="" />
        <${Field}
          label="Labels"
          name="labels"
          placeholder="team=red, project=atlas"
          hint="Names and values, separated by commas."
        />
        <${RestrictionFields} />
      <//>
    <//>
  `;
}

export function EditDialog({ shown, etag, onClose, onDone }) {
  const send = async (values) => {
    const body = { key_id: shown.key_id, ...restrictionsOf(values, shown) };
    if (values.key_name.trim() !== shown.key_name) body.key_name = values.key_name.trim();
    if (values.expires_days !== "keep")
      Object.assign(body, values.expires_days === "" ? { expires_days: null } : expiryOf(values));
    if (values.labels !== pairsText(shown.labels)) body.labels = pairsOf(values.labels) ?? {};
    onDone(await post("api/mcp-keys/update", body, etag ? { "If-Match": etag } : {}));
  };
  return html`
    <${Dialog} title="Edit this key" wide onClose=${onClose}>
      <${Form} send=${send} submit="Save" onCancel=${onClose}>
        <${Field} label="Name" name="key_name" maxlength="100" value=${shown.key_name} data-focus />
        <${ExpiryField} initial="keep" />
        <${Field}
          label="Labels"
          name="labels"
          value=${pairsText(shown.labels)}
          hint="Names and values, separated by commas."
        />
        <${RestrictionFields} of=${shown} isOpen />
      <//>
    <//>
  `;
}

function ExpiryField({ initial }) {
  const [choice, setChoice] = useState(initial);
  const options = initial === "keep" ? [["keep", "As it is"], ...EXPIRY] : EXPIRY;
  return html`
    <${Field}
      label="Expires"
      name="expires_days"
      value=${choice}
      options=${options}
      onChange=${(event) => setChoice(event.currentTarget.value)}
    />
    ${choice === "other" && html`<${Field} label="Days until it expires" name="days" inputmode="numeric" placeholder="1 to 3650" />`}
  `;
}

function expiryOf(values) {
  if (values.expires_days === "") return {};
  return { expires_days: values.expires_days === "other" ? (asNumber(values.days) ?? 0) : Number(values.expires_days) };
}

export function RotateDialog({ shown, onClose, onDone }) {
  const send = async (values) =>
    onDone(
      await post("api/mcp-keys/rotate", { key_id: shown.key_id, overlap_seconds: Number(values.overlap_seconds) }),
    );
  return html`
    <${Dialog} title="Rotate this key?" onClose=${onClose}>
      <p>
        <strong><bdi>${shown.key_name}</bdi></strong> gets a new secret. Its name, limits and usage do not change.
      </p>
      <${Form} send=${send} submit="Rotate key" onCancel=${onClose}>
        <${Field}
          label="Old secret"
          name="overlap_seconds"
          value="3600"
          options=${OVERLAP}
          hint="Time to configure clients with the new one."
        />
      <//>
    <//>
  `;
}

export function TransferDialog({ shown, onClose, onDone }) {
  const send = async ({ owner }) =>
    onDone(await post("api/mcp-keys/transfer", { key_id: shown.key_id, owner: owner.trim() }));
  return html`
    <${Dialog} title="Transfer this key" onClose=${onClose}>
      <p>Its sessions end. Usage so far stays with <bdi>${shown.owner}</bdi>.</p>
      <${Form} send=${send} submit="Transfer key" onCancel=${onClose}>
        <${Field} label="New owner" name="owner" type="email" data-focus hint="A user or a service account." />
      <//>
    <//>
  `;
}

export function SecretDialog({ title, created, onClose }) {
  const { info } = useSession();
  return html`
    <${Dialog} title=${title} persistent wide onClose=${onClose}>
      <p>
        This is the secret of <strong><bdi>${created.key_name}</bdi></strong
        >.
      </p>
      <p class="warning">Copy it now: it is shown only once and cannot be recovered.</p>
      <${Secret} text=${created.api_key} label="Copy key" id="new-key" />
      <h3>Configure a client</h3>
      <${ClientChooser} info=${info} secret=${created.api_key} />
      <div class="actions">
        <button type="button" class="button primary" onClick=${onClose}>I have stored the key</button>
      </div>
    <//>
  `;
}

export function ConnectDialog({ onClose }) {
  const { info } = useSession();
  return html`
    <${Dialog} title="Connect a client" wide onClose=${onClose}>
      <p>Replace <code>${info.key_placeholder}</code> with the secret of a key.</p>
      <${ClientChooser} info=${info} />
      <div class="actions"><button type="button" class="button primary" onClick=${onClose}>Close</button></div>
    <//>
  `;
}

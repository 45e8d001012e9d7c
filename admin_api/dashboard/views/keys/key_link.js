// Links to keys.

import { html } from "../../html.js";
import { href } from "../../router.js";
import { Name } from "../../components/table.js";

export function KeyLink({ id, name }) {
  return html`<a href=${href("keys", {}, id)}><${Name} text=${name || id} /></a>`;
}

// The subject of an alert or an act: a key if it is the id of one.
export function Subject({ text }) {
  return text?.startsWith("key_") ? html`<${KeyLink} id=${text} />` : html`<${Name} text=${text || "–"} />`;
}

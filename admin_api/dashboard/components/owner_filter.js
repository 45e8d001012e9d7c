// Mine or all users, in the address: `owner` is empty for one's own, `*` for all, or an email.

import { html } from "../html.js";
import { useSession } from "../session.js";
import { ToggleGroup } from "./form.js";

export function ownerQuery(query) {
  if (query.owner === "*") return { all: "true" };
  return { owner: query.owner };
}

export function OwnerFilter({ query, onChange }) {
  const { readsAll, me } = useSession();
  if (!readsAll) return null;
  const owner = query.owner ?? "";
  const options = [
    ["", "Mine"],
    ["*", "All users"],
  ];
  if (owner && owner !== "*" && owner !== me.email) options.push([owner, owner]);
  return html`<${ToggleGroup}
    label="Owner"
    options=${options}
    value=${owner}
    onChange=${(owner) => onChange({ owner })}
  />`;
}

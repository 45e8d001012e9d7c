// The fields of scopes and limits, which keys and policies share.

import { html } from "../../html.js";
import { Checkbox, Field, asList, asNumber } from "../../components/form.js";

const LISTS = [
  ["allowed_tools", "Tools", "all tools", "Separated by commas. * is a wildcard, as in query_*."],
  ["allowed_tables", "Tables", "all tables", "Separated by commas."],
  ["allowed_ips", "Addresses", "any address", "Addresses or networks, such as 10.0.0.0/8, separated by commas."],
];
const NUMBERS = [
  ["rate_limit_per_minute", "Requests per minute"],
  ["calls_per_day", "Calls per day"],
  ["calls_per_month", "Calls per month"],
  ["records_per_day", "Records per day"],
  ["records_per_month", "Records per month"],
  ["max_concurrent", "Calls at a time"],
];

// `of` has the present values; `extra` are further numbers, as in `NUMBERS`.
export function RestrictionFields({ of = {}, extra = [], isOpen = false }) {
  return html`
    <details class="limits" open=${isOpen}>
      <summary>Limits and scopes</summary>
      <div class="grid">
        ${LISTS.map(([name, label, placeholder, hint]) => {
          const value = (of[name] ?? []).join(", ");
          return html`<${Field} key=${name} class="whole" ...${{ label, name, placeholder, hint, value }} />`;
        })}
        ${[...NUMBERS, ...extra].map(([name, label]) => {
          const value = of[name] ?? "";
          return html`<${Field} key=${name} inputmode="numeric" placeholder="no limit" ...${{ label, name, value }} />`;
        })}
        <${Field}
          label="Calls per minute of single tools"
          name="tool_rate_limits"
          class="whole"
          placeholder="run_sql=10, query_*=60"
          hint="Globs of tools and numbers, separated by commas."
          value=${pairsText(of.tool_rate_limits)}
        />
        <${Checkbox} label="Only tools that read (read only)" name="read_only" checked=${of.read_only ?? false} />
      </div>
    </details>
  `;
}

// The values of these fields as the API takes them. Of those that do not differ from `before`, none is sent.
export function restrictionsOf(values, before = {}, extra = []) {
  const given = {
    ...Object.fromEntries(LISTS.map(([name]) => [name, asList(values[name])])),
    ...Object.fromEntries([...NUMBERS, ...extra].map(([name]) => [name, asNumber(values[name])])),
    tool_rate_limits: pairsOf(values.tool_rate_limits, asNumber),
    read_only: values.read_only,
  };
  const isChanged = ([name, value]) =>
    JSON.stringify(value) !== JSON.stringify(before[name] ?? (name === "read_only" ? false : null));
  return Object.fromEntries(Object.entries(given).filter(isChanged));
}

// `name=value` pairs, separated by commas; null for none.
export function pairsOf(text, convert = (value) => value) {
  const pairs = (asList(text) ?? []).map((pair) => {
    const at = pair.lastIndexOf("=");
    return at < 0 ? [pair, ""] : [pair.slice(0, at).trim(), convert(pair.slice(at + 1).trim())];
  });
  return pairs.length > 0 ? Object.fromEntries(pairs) : null;
}

export function pairsText(pairs) {
  return Object.entries(pairs ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}

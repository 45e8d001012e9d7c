// The period of a view: presets up to now, or a free range, in the viewer's zone.

import { html } from "../html.js";
import { fromLocalInput, toLocalInput } from "../times.js";
import { ToggleGroup } from "./form.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PRESETS = {
  "1h": ["1 hour", HOUR],
  "24h": ["24 hours", DAY],
  "7d": ["7 days", 7 * DAY],
  "30d": ["30 days", 30 * DAY],
  "90d": ["90 days", 90 * DAY],
};
const DEFAULT_PERIOD = "30d";
export const LONGEST_PERIOD = "90d";

// The beginning and the end of the period in the address; the end of a preset is now, and then `to` is left out.
export function rangeOf({ period = DEFAULT_PERIOD, from, to }, now = Date.now()) {
  if (period === "custom" && from) return { from, to: to || undefined };
  const [, length] = PRESETS[period] ?? PRESETS[DEFAULT_PERIOD];
  // Presets of days begin at midnight, so that the first day is whole.
  if (length < 7 * DAY) return { from: new Date(Math.floor((now - length) / MINUTE) * MINUTE).toISOString() };
  const first = new Date(now - length + DAY);
  first.setHours(0, 0, 0, 0);
  return { from: first.toISOString() };
}

// The finest series that fits the length of a range: `minute`, `quarter_hour`, `hour` or `day`.
export function bucketOf({ from, to }, now = Date.now()) {
  const length = (to ? Date.parse(to) : now) - Date.parse(from);
  if (length <= 3 * HOUR) return "minute";
  if (length <= 2 * DAY) return "quarter_hour";
  return length <= 8 * DAY ? "hour" : "day";
}

export function PeriodPicker({ query, onChange }) {
  const period = query.period ?? DEFAULT_PERIOD;
  const options = [...Object.entries(PRESETS).map(([key, [title]]) => [key, title]), ["custom", "Custom"]];
  const choose = (key) => {
    const range = rangeOf(query);
    onChange(
      key === "custom"
        ? { period: key, from: range.from, to: range.to ?? new Date().toISOString() }
        : { period: key === DEFAULT_PERIOD ? "" : key, from: "", to: "" },
    );
  };
  const input = (name, label) => html`
    <label class="inline"
      >${label}
      <input
        type="datetime-local"
        value=${query[name] && toLocalInput(query[name])}
        onChange=${(event) => event.currentTarget.value && onChange({ [name]: fromLocalInput(event.currentTarget.value) })}
      />
    </label>
  `;
  return html`
    <div class="period">
      <${ToggleGroup} label="Period" options=${options} value=${period} onChange=${choose} />
      ${period === "custom" && html`<div class="range">${input("from", "From")}${input("to", "To")}</div>`}
    </div>
  `;
}

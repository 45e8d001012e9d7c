// A breakdown: rows with a label, a value and a bar, the largest first.

import { html } from "../html.js";
import { count, plural, share } from "../format.js";
import { Empty, Panel } from "./state.js";

const SHOWN = 8;

// `measure` is a member of the rows, `name` its title; `label` and `link` are functions of a row.
export function Breakdown({ title, rows, measure, name, label, link }) {
  const sorted = [...rows].sort((a, b) => b[measure] - a[measure] || b.calls - a.calls);
  const largest = Math.max(1, ...sorted.map((row) => row[measure]));
  const others = sorted.length - SHOWN;
  return html`
    <${Panel} title=${title} class="breakdown">
      ${sorted.length === 0 && html`<${Empty}>No data in this period.<//>`}
      <ol aria-label="${name}, ${title.toLowerCase()}">
        ${sorted.slice(0, SHOWN).map((row) => html`<${BreakdownRow} row=${row} label=${label(row)} link=${link?.(row)} measure=${measure} name=${name} part=${row[measure] / largest} />`)}
      </ol>
      ${others > 0 && html`<p class="hint">and ${count(others)} more</p>`}
    <//>
  `;
}

function BreakdownRow({ row, label, link, measure, name, part }) {
  const width = part === 0 ? "0" : `max(2px, ${(part * 100).toFixed(1)}%)`;
  const other = measure === "calls" ? plural(row.records, "record") : plural(row.calls, "call");
  const unknown = row.unknown_records > 0 && `${share(row.unknown_records, row.calls)} with unknown count`;
  const notes = [other, row.errors > 0 && plural(row.errors, "error"), unknown].filter(Boolean);
  return html`
    <li>
      <div class="line">
        <span class="label">${link ? html`<a href=${link}>${label}</a>` : label}</span>
        <span class="number">${count(row[measure])} <span class="offscreen">${name.toLowerCase()}</span></span>
      </div>
      <div class="track" aria-hidden="true"><span class="fill" style=${{ width }}></span></div>
      <div class="hint">${notes.join(" · ")}</div>
    </li>
  `;
}

// A breakdown: rows with a label, a value and a bar, the largest first.

import { html, useState } from "../html.js";
import { count } from "../format.js";
import { Empty, Panel } from "./state.js";

const SHOWN = 8;

// `measure` is a member of the rows, `name` its title and `format` makes its text; `label`, `link` and `notes` (a list)
// are functions of a row.
export function Breakdown({
  title,
  rows,
  measure,
  name,
  format = count,
  label,
  link,
  notes,
  empty = "None in this period.",
  children,
}) {
  const [isOpen, setOpen] = useState(false);
  const sorted = [...rows].sort((a, b) => (b[measure] ?? 0) - (a[measure] ?? 0) || b.calls - a.calls);
  const largest = Math.max(1, ...sorted.map((row) => row[measure]));
  const toggle = () => setOpen(!isOpen);
  const others = sorted.length - SHOWN;
  return html`
    <${Panel} title=${title} class="breakdown">
      ${sorted.length === 0 && html`<${Empty}>${empty}<//>`}
      <ol aria-label="${name}, ${title.toLowerCase()}">
        ${sorted
          .slice(0, isOpen ? undefined : SHOWN)
          .map(
            (row, index) => html`
              <${BreakdownRow}
                key=${index}
                label=${label(row)}
                link=${link?.(row)}
                value=${format(row[measure])}
                name=${name}
                notes=${notes(row).filter(Boolean)}
                part=${(row[measure] ?? 0) / largest}
              />
            `,
          )}
      </ol>
      ${
        others > 0 &&
        html`<button type="button" class="button small" aria-expanded=${String(isOpen)} onClick=${toggle}>
          ${isOpen ? "Show fewer" : `Show ${count(others)} more`}
        </button>`
      }
      ${children}
    <//>
  `;
}

function BreakdownRow({ label, link, value, name, notes, part }) {
  const width = part === 0 ? "0" : `max(2px, ${(part * 100).toFixed(1)}%)`;
  return html`
    <li>
      <div class="line">
        <span class="label">${link ? html`<a href=${link}><bdi>${label}</bdi></a>` : html`<bdi>${label}</bdi>`}</span>
        <span class="number">${value} <span class="offscreen">${name.toLowerCase()}</span></span>
      </div>
      <div class="track" aria-hidden="true"><span class="fill" style=${{ width }}></span></div>
      <div class="hint">${notes.join(" · ")}</div>
    </li>
  `;
}

// Tables that scroll by keyboard where they are too wide, and become cards on narrow screens. The roles are stated since
// cells that are no table cells lose theirs.

import { count } from "../format.js";
import { html, useState } from "../html.js";
import { toNextPage, toPreviousPage } from "../router.js";

// A column: `key`, `title`, `cell` (a function of the row), and optionally `right`, `sort` (its name in the query) and
// `class`. `sort` of the table is the `name` of the sorted column and its `order`, `asc` or `desc`; `onSort` takes such
// a value. `details`, a function of the row, makes rows that open.
export function Table({
  caption,
  columns,
  rows,
  rowKey,
  details = null,
  sort = null,
  onSort = null,
  isInactive = () => false,
}) {
  return html`
    <${Scrolling} label=${caption}>
      <table class="stacking" role="table">
        <caption class="offscreen">
          ${caption}
        </caption>
        <thead role="rowgroup">
          <tr role="row">
            ${columns.map((column) => html`<${HeadCell} key=${column.key} column=${column} sort=${sort} onSort=${onSort} />`)}
            ${details && html`<th scope="col" role="columnheader"><span class="offscreen">Details</span></th>`}
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${rows.map((row) => html`<${Row} key=${rowKey(row)} row=${row} columns=${columns} details=${details} isInactive=${isInactive(row)} />`)}
        </tbody>
      </table>
    <//>
  `;
}

// The table within the details of a row; `children` are its rows.
export function InnerTable({ caption, titles, children }) {
  return html`
    <${Scrolling} label=${caption}>
      <table class="changes">
        <caption class="offscreen">
          ${caption}
        </caption>
        <thead>
          <tr>
            ${titles.map((title) => html`<th key=${title} scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${children}
        </tbody>
      </table>
    <//>
  `;
}

// A part of the page that scrolls, also by keyboard.
function Scrolling({ label, children }) {
  return html`<div class="scroll" role="region" aria-label=${label} tabindex="0">${children}</div>`;
}

function HeadCell({ column, sort, onSort }) {
  const className = column.right ? "right" : "";
  if (!column.sort || !onSort) return html`<th scope="col" role="columnheader" class=${className}>${column.title}</th>`;
  const order = sort.name === column.sort ? sort.order : null;
  return html`
    <th scope="col" role="columnheader" class=${className} aria-sort=${order && `${order}ending`}>
      <button
        type="button"
        class="sort"
        onClick=${() => onSort({ name: column.sort, order: order === "asc" ? "desc" : "asc" })}
      >
        ${column.title}<span aria-hidden="true">${{ asc: " ↑", desc: " ↓" }[order]}</span>
      </button>
    </th>
  `;
}

function Row({ row, columns, details, isInactive }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <tr role="row" class=${isInactive ? "inactive" : ""}>
      ${columns.map((column, index) => html`<${Cell} key=${column.key} column=${column} row=${row} isHead=${index === 0} />`)}
      ${
        details &&
        html`
          <td role="cell" class="row-actions">
            <button
              type="button"
              class="button small"
              aria-expanded=${String(isOpen)}
              onClick=${() => setOpen(!isOpen)}
            >
              Details
            </button>
          </td>
        `
      }
    </tr>
    ${
      details &&
      isOpen &&
      html`<tr role="row" class="details">
        <td role="cell" colspan=${columns.length + 1}>${details(row)}</td>
      </tr>`
    }
  `;
}

function Cell({ column, row, isHead }) {
  const className = `${column.right ? "right" : ""} ${column.class ?? ""}`;
  if (isHead)
    return html`<th scope="row" role="rowheader" class=${className} data-label=${column.title}>
      ${column.cell(row)}
    </th>`;
  return html`<td role="cell" class=${className} data-label=${column.title}>${column.cell(row)}</td>`;
}

// A text that others chose: cut on wide screens if it is long, and isolated if it runs from right to left.
export function Name({ text, as = null }) {
  const name = html`<bdi class="cut" title=${text}>${text}</bdi>`;
  return as === "code" ? html`<code>${name}</code>` : name;
}

// A list of names and values.
export function Properties({ rows }) {
  return html`
    <dl class="properties">
      ${rows.filter(Boolean).map(
        ([name, value]) =>
          html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  `;
}

// Buttons to the next and the previous page of a list with cursors, and the number of all its rows. While a page is
// loaded, the cursor of the next one is unknown.
export function CursorPager({ cursor, next, total = null, isLoading, change, label }) {
  if (!cursor && !next) return null;
  return html`
    <nav class="pager" aria-label=${label}>
      <button type="button" class="button small" disabled=${!cursor} onClick=${() => toPreviousPage(change)}>
        Previous
      </button>
      ${total !== null && html`<span>${count(total)} in all</span>`}
      <button
        type="button"
        class="button small"
        disabled=${!next || isLoading}
        onClick=${() => toNextPage(change, next)}
      >
        Next
      </button>
    </nav>
  `;
}

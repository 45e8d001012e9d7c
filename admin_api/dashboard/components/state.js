// States of data: loading, failed, empty, unknown.

import { html } from "../html.js";

// The content of loaded data. Data that was loaded before stays, also while it is loaded again and after an error.
// `children` is a function of the data, and true while it is loaded again.
export function Loaded({ data, error, isLoading, reload, children }) {
  return html`
    ${
      error &&
      html`
        <div class="notice failed" role="alert">
          <span>${error.message}</span>
          <button type="button" class="button small" onClick=${reload}>Try again</button>
        </div>
      `
    }
    ${data === null && isLoading && html`<p class="loading" role="status">Loading…</p>`}
    ${data !== null && html`<div class="loaded" aria-busy=${isLoading ? "true" : undefined}>${children(data, isLoading)}</div>`}
  `;
}

export function Empty({ title = null, children }) {
  return html`<div class="empty">${title && html`<h2>${title}</h2>`}${children}</div>`;
}

export function Unknown({ children = "unknown", title }) {
  return html`<span class="unknown" title=${title}>${children}</span>`;
}

export function Status({ kind, children }) {
  return html`<span class="status ${kind}">${children}</span>`;
}

// The status `value`: `known` has its kind and text. One that this page does not know is shown as it is.
export function KnownStatus({ value, known }) {
  const [kind, text] = known[value] ?? ["", value];
  return html`<${Status} kind=${kind}>${text}<//>`;
}

export function Panel({ title, actions = null, id, class: className = "", children }) {
  return html`
    <section class="panel ${className}" id=${id} aria-label=${title}>
      <div class="panel-head">
        <h2>${title}</h2>
        ${actions && html`<div class="panel-actions">${actions}</div>`}
      </div>
      ${children}
    </section>
  `;
}

export function Heading({ title, lead, children }) {
  return html`
    <div class="heading">
      <div>
        <h1>${title}</h1>
        ${lead && html`<p class="lead">${lead}</p>`}
      </div>
      ${children && html`<div class="heading-actions">${children}</div>`}
    </div>
  `;
}

// How the records of one call were counted: where, by which number, and how sure that is.

import { html } from "../../html.js";
import { useSession } from "../../session.js";

const METHODS = {
  declared: "The result says how many there are",
  rule: "By a rule of the operator",
  error: "An error has no records",
  write_statement: "A statement that only writes returns no records",
  unknown: "Unknown: nothing in the result says reliably how many there are",
};
const CERTAIN = 0.99;
const VERY_LIKELY = 0.95;

export function CountDetails({ item }) {
  const { info } = useSession();
  const method = METHODS[item.count_method] ?? `By the form of the result: ${item.count_method.replaceAll("_", " ")}`;
  return html`
    <p>${method} (<code>${item.count_method}</code>).</p>
    ${item.count_path && html`<p>Counted in <code>${item.count_path}</code>.</p>`}
    ${item.count_witness && html`<p>Number stated by <code>${item.count_witness}</code>.</p>`}
    ${item.count_confidence !== null && html`<p>${confidence(item.count_confidence, info.counts.threshold)}</p>`}
    ${item.count_signs.length > 0 &&
    html`<ul aria-label="Signs">
      ${item.count_signs.map((sign) => html`<li key=${sign}>${sentence(info.counts.signs[sign] ?? sign)}</li>`)}
    </ul>`}
  `;
}

function confidence(value, threshold) {
  const percent = `${(100 * value).toFixed(1)} %`;
  if (value < threshold) {
    return `In doubt (${percent}), so the count is unknown: less than ${Math.round(100 * threshold)} %.`;
  }
  const words = value >= CERTAIN ? "Practically certain" : value >= VERY_LIKELY ? "Very likely right" : "Likely right";
  return `${words} (${percent}).`;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1).replaceAll("_", " ")}.`;
}

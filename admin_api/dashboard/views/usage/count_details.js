// How the records of one call were counted: where, by which number, and how sure that is.

import { html } from "../../html.js";
import { useSession } from "../../session.js";
import { Properties } from "../../components/table.js";

const METHODS = {
  declared: "the result says how many there are",
  rule: "by a rule of the operator",
  error: "an error has no records",
  write_statement: "a statement that only writes returns no records",
  unknown: "nothing in the result says how many there are",
};
const CERTAIN = 0.99;
const VERY_LIKELY = 0.95;

export function CountDetails({ item }) {
  const { signs, threshold } = useSession().info.counts;
  const isDoubtful = item.count_confidence !== null && item.count_confidence < threshold;
  return html`
    <section class="count-details" aria-label="How the records were counted">
      <h3>How the records were counted</h3>
      <${Properties}
        rows=${[
          ["Method", html`${isDoubtful ? "too doubtful to report" : method(item)} (<code>${item.count_method}</code>)`],
          item.count_path && ["Counted in", html`<code>${item.count_path}</code>`],
          item.count_witness && ["Number stated by", html`<code>${item.count_witness}</code>`],
          item.count_confidence !== null && ["Confidence", confidence(item.count_confidence, threshold)],
        ]}
      />
      ${item.count_signs.length > 0 &&
      html`<ul aria-label="Signs">
        ${item.count_signs.map((sign) => html`<li key=${sign}>${sentence(signs[sign] ?? sign)}</li>`)}
      </ul>`}
    </section>
  `;
}

function method(item) {
  return METHODS[item.count_method] ?? `by the form of the result: ${item.count_method.replaceAll("_", " ")}`;
}

function confidence(value, threshold) {
  const percent = `${(100 * value).toFixed(1)}\u00a0%`;
  if (value < threshold) return `in doubt: ${percent}, less than ${Math.round(100 * threshold)}\u00a0%`;
  const words = value >= CERTAIN ? "practically certain" : value >= VERY_LIKELY ? "very likely right" : "likely right";
  return `${words}: ${percent}`;
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1).replaceAll("_", " ")}.`;
}

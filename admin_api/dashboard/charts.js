// Bar charts: one bar per day, and one per row of a breakdown.

import { el, svg } from "./dom.js";
import { count, day, plural, share, short } from "./format.js";

const HEIGHT = 200;
const LEFT = 52;
const BOTTOM = 24;
const TOP = 10;
const LABEL_WIDTH = 72;

// One bar for each day from `since` on, of height zero for days without calls. Redrawn when the width changes, so that
// the font size stays the same.
export function dayChart(rows, since, days, measure, name) {
  const values = valuesByDay(rows, since, days, measure);
  const container = el("div", { class: "chart" });
  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = container.clientWidth;
    if (width > 0 && width !== drawnWidth) container.replaceChildren(bars(values, width, name));
    drawnWidth = width;
  }).observe(container);
  return container;
}

function bars(values, width, name) {
  const highest = niceCeiling(Math.max(...values.map((entry) => entry.value)));
  const step = (width - LEFT) / values.length;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / highest);
  const gridLines = [0, 0.5, 1].map((fraction) => fraction * highest).filter((value) => Number.isInteger(value));
  const labelInterval = Math.max(1, Math.ceil(LABEL_WIDTH / step));
  const total = values.reduce((sum, entry) => sum + entry.value, 0);
  const label = (entry, index) => {
    const last = index === values.length - 1;
    return svg("text", { x: last ? width : LEFT + (index + 0.5) * step, y: HEIGHT - 6, class: `axis ${last ? "end" : "middle"}` }, day(entry.day));
  };
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": `${name} by day, ${count(total)} in total` },
    gridLines.map((value) => [
      svg("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value), class: "grid-line" }),
      svg("text", { x: LEFT - 8, y: y(value) + 4, class: "axis end" }, short(value)),
    ]),
    values.map((entry, index) => bar(entry, LEFT + index * step, step, y, name)),
    values.map((entry, index) => ((values.length - 1 - index) % labelInterval === 0 && LEFT + (index + 0.5) * step > LABEL_WIDTH / 2 ? label(entry, index) : null)),
  );
}

function bar(entry, x, step, y, name) {
  const gap = Math.min(6, step * 0.25);
  const height = entry.value > 0 ? Math.max(2, y(0) - y(entry.value)) : 0;
  return svg(
    "g",
    { class: "bar" },
    svg("title", {}, `${day(entry.day)}: ${count(entry.value)} ${name.toLowerCase()}`),
    svg("rect", { x, y: TOP, width: step, height: HEIGHT - TOP - BOTTOM, class: "hit" }),
    svg("rect", { x: x + gap / 2, y: y(0) - height, width: Math.max(1, Math.min(48, step - gap)), height, rx: Math.min(3, step / 4), class: "value" }),
  );
}

function valuesByDay(rows, since, days, measure) {
  const valueOf = new Map(rows.map((row) => [row.day, row[measure]]));
  const first = Date.parse(`${since}T00:00:00Z`);
  const today = Math.floor(Date.now() / 86_400_000) * 86_400_000;
  const length = Math.min(days, Math.max(1, Math.round((today - first) / 86_400_000) + 1));
  return Array.from({ length }, (_, index) => {
    const name = new Date(first + index * 86_400_000).toISOString().slice(0, 10);
    return { day: name, value: valueOf.get(name) ?? 0 };
  });
}

function niceCeiling(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

// A breakdown: rows with a label, a value and a bar, largest first.
export function breakdown(title, rows, measure, name, label) {
  const sorted = [...rows].sort((a, b) => b[measure] - a[measure] || b.calls - a.calls);
  const largest = Math.max(1, ...sorted.map((row) => row[measure]));
  const shown = sorted.slice(0, 8);
  return el(
    "section",
    { class: "panel breakdown" },
    el("h2", {}, title),
    shown.length === 0
      ? el("p", { class: "empty small" }, "No data in this period.")
      : el(
          "ol",
          { "aria-label": `${name}, ${title.toLowerCase()}` },
          shown.map((row) => breakdownRow(row, label(row), row[measure] / largest, measure, name)),
        ),
    sorted.length > shown.length && el("p", { class: "hint" }, `and ${count(sorted.length - shown.length)} more`),
  );
}

function breakdownRow(row, label, fraction, measure, name) {
  const fillBar = el("span", { class: "fill" });
  fillBar.style.width = fraction === 0 ? "0" : `max(2px, ${(fraction * 100).toFixed(1)}%)`;
  const other = measure === "calls" ? plural(row.records, "record") : plural(row.calls, "call");
  const unknown = row.unknown_records > 0 && `${share(row.unknown_records, row.calls)} with unknown count`;
  const notes = [other, row.errors > 0 && plural(row.errors, "error"), unknown].filter(Boolean);
  return el(
    "li",
    {},
    el("div", { class: "line" }, el("span", { class: "label" }, label), el("span", { class: "number" }, `${count(row[measure])} `, el("span", { class: "offscreen" }, name.toLowerCase()))),
    el("div", { class: "track", "aria-hidden": "true" }, fillBar),
    el("div", { class: "hint" }, notes.join(" · ")),
  );
}

// A chart over time, drawn by uPlot. The values under the pointer, the finger or the arrow keys stand above it.

import { html, useEffect, useRef, useState } from "../html.js";

const HEIGHT = 220;
const { uPlot } = window;

// `times` are the beginnings of the buckets in milliseconds. A series has `label`, `values` (null: none), `color` (the
// name of a CSS variable), `kind` ("bars" or "line"), `format`, and `formatTick` for the labels of its axis. That of the
// chart makes the labels of the time axis.
// `onChoose(index)` is called for a bucket.
export function Chart({ title, times, series, formatTime, formatTick, onChoose = null }) {
  const plot = useRef(null);
  const box = useRef(null);
  const [index, setIndex] = useState(null);
  // The bucket that was shown when a finger touched the chart; undefined for a mouse.
  const touched = useRef(undefined);
  const onCursor = (at) => {
    // Browsers say that a mouse has left when a finger is lifted.
    if (at !== null || touched.current === undefined) setIndex(at);
  };
  const chosen = index !== null && index < times.length ? index : null;
  const last = times.length - 1;

  useEffect(() => {
    if (times.length === 0) return undefined;
    const element = box.current;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        options(element, times, series, formatTick, onCursor),
        [times.map((time) => time / 1000), ...series.map((one) => one.values)],
        element,
      );
      touchCursor(plot.current);
    };
    draw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    scheme.addEventListener("change", draw);
    resized.observe(element);
    return () => {
      scheme.removeEventListener("change", draw);
      resized.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [JSON.stringify([times, series])]);

  const show = (at) => {
    const moved = Math.min(last, Math.max(0, at));
    setIndex(moved);
    plot.current?.setCursor({ left: plot.current.valToPos(times[moved] / 1000, "x"), top: 0 }, false);
  };
  const onKeyDown = (event) => {
    const from = chosen ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      show(chosen === null ? last : to);
    } else if (event.key === "Enter" && chosen !== null) onChoose?.(chosen);
  };
  const onPointer = ({ type, pointerType }) => {
    if (pointerType !== "touch") touched.current = undefined;
    else if (type === "pointerdown") touched.current = chosen;
  };
  // A mouse has shown the values before it clicks. Of fingers, the first tap shows them and the second one chooses.
  const onClick = () => {
    if (chosen !== null && (touched.current === undefined || touched.current === chosen)) onChoose?.(chosen);
  };
  if (times.length === 0) return null;
  return html`
    <div class="chart">
      <${Readout}
        time=${chosen === null ? null : formatTime(new Date(times[chosen]))}
        series=${series}
        index=${chosen}
      />
      <div
        ref=${box}
        class="plot ${onChoose ? "clickable" : ""}"
        style=${{ height: `${HEIGHT}px` }}
        role="slider"
        tabindex="0"
        aria-label=${title}
        aria-valuemin="0"
        aria-valuemax=${last}
        aria-valuenow=${chosen ?? last}
        aria-valuetext=${spoken(times, series, chosen ?? last, formatTime)}
        onKeyDown=${onKeyDown}
        onPointerDownCapture=${onPointer}
        onPointerMove=${onPointer}
        onClick=${onClick}
      ></div>
    </div>
  `;
}

function Readout({ time, series, index }) {
  return html`
    <p class="readout" aria-hidden="true">
      ${time && html`<span class="at">${time}</span>`}
      ${series.map(
        (one) => html`
          <span key=${one.label} class="entry"
            ><span class="swatch" style=${{ background: `var(${one.color})` }}></span
            >${one.label}${index !== null && html` <b>${formatValue(one, index)}</b>`}</span
          >
        `,
      )}
    </p>
  `;
}

function formatValue(one, index) {
  const value = one.values[index];
  return value === null ? "–" : one.format(value);
}

function spoken(times, series, index, formatTime) {
  return `${formatTime(new Date(times[index]))}: ${series.map((one) => `${one.label} ${formatValue(one, index)}`).join(", ")}`;
}

function options(element, times, series, formatTick, onIndex) {
  // Room for the halves of the first and the last bar, in seconds.
  const margin = times.length > 1 ? (times[1] - times[0]) / 2000 : 1800;
  const style = getComputedStyle(element);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--muted"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false }, points: { size: 7 } },
    scales: {
      x: { range: (_, first, last) => [first - margin, last + margin] },
      y: { range: (_, _low, high) => [0, niceCeiling(high ?? 0)] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        grid: { show: false },
        values: (_, values) => values.map((value) => formatTick(new Date(value * 1000))),
        space: 80,
      },
      {
        ...axis,
        size: 56,
        values: (_, values) =>
          values.map((value) =>
            Number.isInteger(value) || series[0].kind === "line"
              ? (series[0].formatTick ?? series[0].format)(value)
              : "",
          ),
      },
    ],
    series: [{}, ...series.map((one) => plotted(one, color(one.color)))],
    hooks: { setCursor: [(plot) => onIndex(plot.cursor.idx ?? null)] },
  };
}

function plotted(one, color) {
  const common = { label: one.label, stroke: color, spanGaps: false };
  if (one.kind === "line") return { ...common, width: 2, points: { show: true, size: 4 } };
  return {
    ...common,
    fill: color,
    width: 0,
    points: { show: false },
    paths: uPlot.paths.bars({ size: [0.8, 48], radius: 0.15 }),
  };
}

function niceCeiling(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

// A finger moves the cursor as a mouse does.
function touchCursor(plot) {
  const move = (event) => {
    if (event.pointerType !== "touch") return;
    plot.setCursor({ left: event.clientX - plot.over.getBoundingClientRect().left, top: 0 });
  };
  plot.over.addEventListener("pointerdown", move);
  plot.over.addEventListener("pointermove", move);
}

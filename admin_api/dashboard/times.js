// Times in the zone of the viewer, which the page names; UTC is in the tooltip.

import { html } from "./html.js";

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DAY = { month: "short", day: "numeric" };
const CLOCK = { hour: "2-digit", minute: "2-digit" };
const SECOND = { ...DAY, ...CLOCK, second: "2-digit" };
const dateAndTime = new Intl.DateTimeFormat(undefined, SECOND);
const dateAndTimeOfYear = new Intl.DateTimeFormat(undefined, { ...SECOND, year: "numeric" });
const dateAndMinute = new Intl.DateTimeFormat(undefined, { ...DAY, ...CLOCK });
const clock = new Intl.DateTimeFormat(undefined, CLOCK);
const shortDay = new Intl.DateTimeFormat(undefined, DAY);

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

function utc(text) {
  return `${new Date(text).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function Time({ at, children }) {
  return html`<time datetime=${at} title=${utc(at)}>${children}</time>`;
}

export function RelativeTime({ at }) {
  const seconds = (new Date(at) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const phrase = Math.abs(seconds) < 45 ? "just now" : relative.format(Math.round(seconds / size), unit);
  return html`<${Time} at=${at}>${phrase}<//>`;
}

export function DateOf({ at }) {
  return html`<${Time} at=${at}>${dateOnly.format(new Date(at))}<//>`;
}

export function DateTime({ at }) {
  const date = new Date(at);
  const format = date.getFullYear() === new Date().getFullYear() ? dateAndTime : dateAndTimeOfYear;
  return html`<${Time} at=${at}>${format.format(date)}<//>`;
}

// The labels of a chart: a day, or a time with its day.
export function formatDay(date) {
  return shortDay.format(date);
}

// The time, and at midnight the day.
export function formatClock(date) {
  return date.getHours() === 0 && date.getMinutes() === 0 ? shortDay.format(date) : clock.format(date);
}

export function formatMinute(date) {
  return dateAndMinute.format(date);
}

export function ZoneNote() {
  return html`<span class="hint">Times are in ${ZONE.replaceAll("_", " ")}.</span>`;
}

// The beginning of a bucket of the statistics as a date: `2026-01-31` is midnight in the viewer's zone.
export function startOf(text) {
  return new Date(text.length === 10 ? `${text}T00:00:00` : text);
}

// The value of an input of type datetime-local, and back, in the viewer's zone.
export function toLocalInput(text) {
  const date = new Date(text);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromLocalInput(text) {
  return new Date(text).toISOString();
}

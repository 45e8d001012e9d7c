// Formatting of numbers, times and sizes.

import { el } from "./dom.js";

const number = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dateAndTime = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const shortDay = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

export function count(value) {
  return number.format(value);
}

export function short(value) {
  return value < 10_000 ? number.format(value) : compact.format(value);
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

export function milliseconds(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

// A percentage, rounded down; `whole` must not be 0. A share above zero is never shown as 0 %.
export function share(part, whole) {
  const percent = (100 * part) / whole;
  return percent < 1 ? "less than 1 %" : `${Math.floor(percent)} %`;
}

// A time relative to now, with the exact time as its tooltip.
export function relativeTime(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const phrase = Math.abs(seconds) < 45 ? "just now" : relative.format(Math.round(seconds / size), unit);
  return el("time", { datetime: text, title: full.format(new Date(text)) }, phrase);
}

export function date(text) {
  return el("time", { datetime: text, title: full.format(new Date(text)) }, dateOnly.format(new Date(text)));
}

export function dateTime(text) {
  return el("time", { datetime: text, title: full.format(new Date(text)) }, dateAndTime.format(new Date(text)));
}

export function day(text) {
  return shortDay.format(new Date(`${text}T00:00:00Z`));
}

export function unknown() {
  return el("span", { class: "unknown", title: "The number of records in the response could not be determined" }, "unknown");
}

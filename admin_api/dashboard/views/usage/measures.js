// The measures of usage: how the chart shows them over time, and what the rows of breakdowns say.

import { count, milliseconds, plural, share, short } from "../../format.js";

const bars = (label, member, color) => ({ label, member, color, kind: "bars", format: count, formatTick: short });
const line = (label, member, color) => ({ label, member, color, kind: "line", absent: null, format: milliseconds });

// `member` of the rows is the one that breakdowns sort by, `name` its title, and `notes` are further values of a row.
export const MEASURES = {
  records: {
    title: "Records",
    series: [bars("Records", "records", "--accent")],
    member: "records",
    name: "Records",
    format: count,
    notes: (row) => [plural(row.calls, "call"), ...faults(row)],
  },
  calls: {
    title: "Calls",
    series: [bars("Calls", "calls", "--accent")],
    member: "calls",
    name: "Calls",
    format: count,
    notes: (row) => [plural(row.records, "record"), ...faults(row)],
  },
  errors: {
    title: "Errors",
    series: [bars("Errors", "errors", "--bad")],
    member: "errors",
    name: "Errors",
    format: count,
    notes: (row) => [`${share(row.errors, row.calls)} of ${plural(row.calls, "call")}`],
  },
  denied: {
    title: "Denied calls",
    series: [bars("Denied calls", "denied", "--warn")],
    member: "denied",
    name: "Denied calls",
    format: count,
    notes: (row) => [`in addition to ${plural(row.calls, "call")}`],
  },
  latency: {
    title: "Latency",
    series: [line("p50", "p50_ms", "--accent"), line("p95", "p95_ms", "--warn"), line("p99", "p99_ms", "--bad")],
    member: "p95_ms",
    name: "p95",
    format: milliseconds,
    notes: (row) => [`p50 ${milliseconds(row.p50_ms)}`, `p99 ${milliseconds(row.p99_ms)}`, plural(row.calls, "call")],
  },
};
const DEFAULT_MEASURE = "records";

export function measureOf(query) {
  return Object.hasOwn(MEASURES, query.measure) ? query.measure : DEFAULT_MEASURE;
}

function faults(row) {
  return [
    row.errors > 0 && plural(row.errors, "error"),
    row.denied > 0 && `${count(row.denied)} denied`,
    row.unknown_records > 0 && `${share(row.unknown_records, row.calls)} with unknown count`,
  ];
}

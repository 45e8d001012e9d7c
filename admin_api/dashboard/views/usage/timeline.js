// The buckets of a period, without gaps: statistics have rows only for buckets with calls.

import { startOf } from "../../times.js";

const LENGTH = { minute: 60_000, quarter_hour: 900_000, hour: 3_600_000 };
const MAX_BUCKETS = 2000;

// The beginnings of all buckets in a range, in milliseconds.
export function bucketTimes({ from, to }, bucket, now = Date.now()) {
  const end = to ? Date.parse(to) : now;
  const times = [];
  if (bucket === "day") {
    const date = new Date(from);
    date.setHours(0, 0, 0, 0);
    for (; date < end && times.length < MAX_BUCKETS; date.setDate(date.getDate() + 1)) times.push(date.getTime());
    return times;
  }
  const length = LENGTH[bucket];
  // Hours of a zone with a half-hour offset begin at the half hours of UTC.
  const offset = bucket === "hour" ? (new Date(from).getTimezoneOffset() * 60_000) % length : 0;
  for (
    let time = Math.floor((Date.parse(from) - offset) / length) * length + offset;
    time < end && times.length < MAX_BUCKETS;
    time += length
  )
    times.push(time);
  return times;
}

// The values of a measure in each bucket; `absent` where there is no row.
export function valuesOf(rows, times, bucket, measure, absent = 0) {
  const values = new Map(rows.map((row) => [startOf(row[bucket]).getTime(), row[measure] ?? absent]));
  return times.map((time) => values.get(time) ?? absent);
}

// The end of a bucket, in milliseconds.
export function bucketEnd(time, bucket) {
  if (bucket !== "day") return time + LENGTH[bucket];
  const date = new Date(time);
  date.setDate(date.getDate() + 1);
  return date.getTime();
}

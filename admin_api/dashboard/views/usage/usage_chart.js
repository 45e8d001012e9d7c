// A measure of usage over time. A bucket leads to its calls.

import { html } from "../../html.js";
import { navigate } from "../../router.js";
import { formatClock, formatDay, formatMinute } from "../../times.js";
import { Chart } from "../../components/chart.js";
import { MEASURES } from "./measures.js";
import { bucketEnd, bucketTimes, valuesOf } from "./timeline.js";

const BUCKET_NAMES = { minute: "minute", quarter_hour: "quarter of an hour", hour: "hour", day: "day" };

export function chartTitle(measure, bucket) {
  return `${MEASURES[measure].title} by ${BUCKET_NAMES[bucket]}`;
}

// `stats` has the rows of the buckets; `filters` are those of the calls that a bucket leads to.
export function UsageChart({ stats, measure, range, bucket, filters }) {
  const rows = stats[`by_${bucket}`] ?? [];
  const times = bucketTimes(range, bucket);
  const series = MEASURES[measure].series.map((one) => ({
    ...one,
    values: valuesOf(rows, times, bucket, one.member, one.absent),
  }));
  const choose = (index) => {
    const [from, to] = [times[index], bucketEnd(times[index], bucket)].map((time) => new Date(time).toISOString());
    navigate("calls", { ...filters, period: "custom", from, to });
  };
  const isDay = bucket === "day";
  return html`<${Chart}
    title=${chartTitle(measure, bucket)}
    times=${times}
    series=${series}
    formatTime=${isDay ? formatDay : formatMinute}
    formatTick=${isDay ? formatDay : formatClock}
    onChoose=${choose}
  />`;
}

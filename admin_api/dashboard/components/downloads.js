// Downloads of what a view shows.

import { download } from "../api.js";
import { html, useState } from "../html.js";

const FORMATS = { csv: "CSV", ndjson: "NDJSON", parquet: "Parquet" };

// A function that downloads a file in a format, and why the last download failed.
export function useDownload(path, query) {
  const [problem, setProblem] = useState("");
  const save = async (format) => {
    setProblem("");
    await download(path, { ...query, format }).catch((error) => setProblem(error.message));
  };
  return [save, problem];
}

export function FormatButtons({ save }) {
  return html`
    <span class="hint">Download</span>
    ${Object.entries(FORMATS).map(
      ([format, title]) =>
        html`<button key=${format} type="button" class="button small" onClick=${() => save(format)}>${title}</button>`,
    )}
  `;
}

export function CsvButton({ save }) {
  return html`<button type="button" class="button small" onClick=${() => save("csv")}>Download as CSV</button>`;
}

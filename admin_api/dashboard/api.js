// Client of the admin API. The token is in a cookie that no script can read; the header of the page goes with it.

let unauthorizedCallback = () => {};

export function onUnauthorized(callback) {
  unauthorizedCallback = callback;
}

export class ApiError extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

export async function get(path, query = {}) {
  return (await request("GET", withQuery(path, query))).json();
}

export async function post(path, body) {
  return (await request("POST", path, body)).json();
}

// Downloads a file under the name that the API gives it.
export async function download(path, query = {}) {
  const response = await request("GET", withQuery(path, query));
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "download";
  let file;
  try {
    file = await response.blob();
  } catch {
    throw new ApiError(0, "The download was interrupted. Try again.", []);
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function withQuery(path, query) {
  const present = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(present).toString();
  return text ? `${path}?${text}` : path;
}

async function request(method, path, body) {
  const headers = { "X-Gateway-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "The gateway does not respond. Check that it is running, then try again.", []);
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const error = new ApiError(response.status, problem.detail ?? `The gateway responded with status ${response.status}.`, problem.errors ?? []);
  if (response.status === 401) unauthorizedCallback();
  throw error;
}

// Client of the admin API. The session is a cookie that scripts cannot read; acts by cookie need the header below.

const PAGE_HEADERS = { "X-Gateway-Page": "1" };

let unauthorizedCallback = () => {};

export function onUnauthorized(callback) {
  unauthorizedCallback = callback;
}

class ApiError extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

export async function get(path, query = {}) {
  return (await load(path, query)).data;
}

// Loads data with its entity tag, which a change sends as `If-Match`.
export async function load(path, query, { signal } = {}) {
  const response = await request("GET", withQuery(path, query), { signal });
  return { data: await readJson(response), etag: response.headers.get("ETag") };
}

export async function post(path, body, headers = {}) {
  return readJson(await request("POST", path, { body, headers }));
}

// Downloads a file under the name that the API gives it.
export async function download(path, query = {}) {
  const response = await request("GET", withQuery(path, query));
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "download";
  const file = await response.blob().catch(() => {
    throw new ApiError(0, "The download was interrupted. Try again.");
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// The address with the values that are set.
export function withQuery(path, query) {
  const present = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(present).toString();
  return text ? `${path}?${text}` : path;
}

async function readJson(response) {
  return response.json().catch(() => {
    throw new ApiError(0, "The answer of the gateway cannot be read. Reload the page.");
  });
}

async function request(method, path, { body, headers = {}, signal } = {}) {
  const sent = { ...PAGE_HEADERS, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The gateway does not respond. Check that it is running, then try again.");
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const error = new ApiError(
    response.status,
    problem.detail ?? `The gateway responded with status ${response.status}.`,
    problem.errors ?? [],
  );
  if (response.status === 401 && !path.startsWith("api/auth/login")) unauthorizedCallback();
  throw error;
}

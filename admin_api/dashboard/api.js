// Client of the admin API. The token is kept for the lifetime of the browser tab.

const TOKEN = "mcp-gateway-token";

let unauthorizedCallback = () => {};

export function onUnauthorized(callback) {
  unauthorizedCallback = callback;
}

export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

export function storeToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

export function clearToken() {
  sessionStorage.removeItem(TOKEN);
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

// Downloads a file under the name that the API gives it. The token is sent as a header, never in a URL.
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
  const token = sessionStorage.getItem(TOKEN);
  const headers = {};
  if (token !== null) headers.Authorization = `Bearer ${token}`;
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
  if (response.status === 401 && token !== null) unauthorizedCallback();
  throw error;
}

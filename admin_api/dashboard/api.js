// Talking to the API. The token lives as long as the tab.

const TOKEN = "mcp-gateway-token";

let signedOut = () => {};

export function onSignedOut(callback) {
  signedOut = callback;
}

export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

export function dropToken() {
  sessionStorage.removeItem(TOKEN);
}

export class ApiError extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return request("GET", text ? `${path}?${text}` : path);
}

export function post(path, body) {
  return request("POST", path, body);
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
    throw new ApiError(0, "The gateway does not answer. Check that it runs, then try again.", []);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = new ApiError(response.status, answer.detail ?? `The gateway answered ${response.status}.`, answer.errors ?? []);
  if (response.status === 401 && token !== null) signedOut();
  throw error;
}

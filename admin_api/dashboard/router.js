// The state of the page in its address: `#/view/name?filter=value`. Reload, Back and a shared link restore it.

import { withQuery } from "./api.js";
import { createContext, useCallback, useContext, useEffect, useState } from "./html.js";

const Route = createContext(null);

export const RouteProvider = Route.Provider;

// The view, the name after it (such as a key id), and the filters of the present address.
function parseHash(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", name = ""] = path.split("/").map(decode);
  return { view, name, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function href(view, query = {}, name = "") {
  return withQuery(`#/${view}${name && `/${encodeURIComponent(name)}`}`, query);
}

export function navigate(view, query = {}, name = "") {
  location.hash = href(view, query, name);
}

const NEXT_PAGE = "next page";

// The next page of a list, from which `toPreviousPage` goes back.
export function toNextPage(change, cursor) {
  change({ cursor });
  history.replaceState(NEXT_PAGE, "");
}

// The page before, or the first one if the address of this page was opened directly.
export function toPreviousPage(change) {
  if (history.state === NEXT_PAGE) history.back();
  else change({ cursor: "" });
}

export function useHash() {
  const [route, setRoute] = useState(() => parseHash(location.hash));
  useEffect(() => {
    const update = () => setRoute(parseHash(location.hash));
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return route;
}

// The filters in the address, and a function that changes some of them. An empty value removes a filter. A cursor
// belongs to its filters: changes without one lead to the first page.
export function useQuery() {
  const { view, name, query } = useContext(Route);
  const change = useCallback(
    (changes) => navigate(view, { ...query, cursor: "", ...changes }, name),
    [view, name, query],
  );
  return [query, change];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

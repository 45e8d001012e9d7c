// Loading of data: the newest request wins, and an error keeps what was loaded before.

import { load as fetchData } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

const IDLE = { data: null, etag: null, error: null, isLoading: false };

// Loads `path` with `query`, again when they change and, with `seconds`, periodically while the page is visible.
// A `path` of null loads nothing.
export function useData(path, query = {}, { seconds = 0 } = {}) {
  const [state, setState] = useState(path === null ? IDLE : { ...IDLE, isLoading: true });
  const request = useRef(null);
  const key = JSON.stringify([path, query]);
  const load = useCallback(async () => {
    request.current?.abort();
    if (path === null) return;
    const controller = new AbortController();
    request.current = controller;
    setState((before) => ({ ...before, isLoading: true }));
    try {
      const loaded = await fetchData(path, query, { signal: controller.signal });
      if (request.current === controller) setState({ ...loaded, error: null, isLoading: false });
    } catch (error) {
      if (request.current === controller && error.name !== "AbortError")
        setState((before) => ({ ...before, error, isLoading: false }));
    }
  }, [key]);
  useEffect(() => {
    load();
    return () => request.current?.abort();
  }, [load]);
  useEffect(() => {
    if (!seconds) return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && load(), seconds * 1000);
    return () => clearInterval(timer);
  }, [load, seconds]);
  return { ...state, reload: load };
}

"""Admission: decides which requests may go upstream, as whom, at what cost and in whose session.

- `head`: the request head, checked and parsed once into a frozen `RequestHead`. `headers` and `origins` have its rules.
- `authentication`: API key → `Principal`.
- `policy`: the authorization decision, a pure function.
- `limits`, `sessions`, `concurrency`: rate limits and quotas, session ownership, and how much runs concurrently.
- `admission`: applies all of them; returns an `AdmittedRequest` or raises `RequestRejected`.
- `rejections`: every rejection and its text, such as that of a 401.
- `caller`, `head_cache`: the caller of a request for its usage events; results kept for the next request with the same
  head.

Imported by `accounting`, `downstream`, `pipeline` and `fast_path`; imports none of them. Begin reading in `admission`.
"""

"""Admission: decides which requests may go upstream, as whom, at what cost and in whose session.

- `head`: the request head, checked and parsed once into a frozen `RequestHead`; `headers` and `origins` have its rules.
- `credentials`: the API key in a head, and its `Principal`.
- `policy`: the authorization decision, a pure function.
- `limits`, `sessions`, `concurrency`: rate limits and quotas, session ownership, the number of concurrent requests.
- `admission`: applies all of them; returns an `AdmittedRequest` (`admitted_request`) or raises `RequestRejected`.
- `rejections`: the rejections with their texts, such as that of a 401.
- `head_cache`: results that a connection keeps for its next request with the same head.

Imported by `accounting`, `downstream`, `pipeline` and `fast_path`, of which it imports none, and by `services` and
`stores`. Begin reading in `admission`.
"""

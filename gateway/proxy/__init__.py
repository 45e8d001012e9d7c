"""The reverse proxy: one gateway worker.

- `worker`: starts and stops everything. `stores` and `services` make its parts from the settings in `config`.
- `downstream`: the HTTP server that clients connect to, CORS, and the responses of the gateway itself.
- `admission`: authentication, authorization, limits and sessions; the rejections.
- `pipeline`: the general path, from the request to the delivery of the response.
- `fast_path`: a shortcut in front of the general path for most tool calls.
- `accounting`: inspects responses and produces usage events.
- `denials`: counts the requests that were refused with 403 or 429.
- `tools`: the catalog of the upstream's tools, which admission and accounting ask.
- `upstream`: the HTTP client to the upstream, its connection pool and time-outs.

Imported by `gateway.runtime`, and by `gateway.cli` for the tool catalog. Begin reading in `pipeline.handler`.
"""

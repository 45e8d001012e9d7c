"""The admin API and the dashboard: the HTTP application on the admin port.

| module | holds |
| --- | --- |
| `app` | the aiohttp application: routes, the error-handling middleware, security headers |
| `dependencies` | the stores and settings that endpoints use |
| `endpoints/` | one module per resource: requests, responses, handlers and the table of its endpoints |
| `http/` | plumbing shared by endpoints: decoding and validation, problem details, connections, downloads |
| `openapi` | the OpenAPI document, generated from the endpoints |
| `dashboard/` | the web page: JavaScript, HTML and CSS without a build step |

Imports the stores `gateway.keys`, `gateway.accounts` and `gateway.usage`, and `gateway.timestamps`; the table in
tests/test_imports.py says what else it may import. Imported by `gateway.runtime`, which runs it as the admin process.
Begin reading at `app`, then `endpoints.keys`.
"""

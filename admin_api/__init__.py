"""The admin API and the dashboard: the HTTP application on the admin port.

| module | holds |
| --- | --- |
| `app` | the aiohttp application: routes, the error-handling middleware, security headers |
| `dependencies` | the stores and settings that endpoints use |
| `endpoints/` | one module per resource: requests, responses, handlers and the table of its endpoints |
| `http/` | plumbing shared by endpoints: decoding and validation, problem details, connections, downloads |
| `openapi` | the OpenAPI document, generated from the endpoints |
| `dashboard/` | the web page: JavaScript, HTML and CSS without a build step |

May import `gateway.keys`, `gateway.accounts`, `gateway.usage`, `gateway.redis` and the leaf packages. Imported by
`gateway.runtime`, which runs it as the admin process. Begin reading at `app`, then `endpoints.keys`.
"""

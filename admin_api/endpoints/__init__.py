"""The endpoints of the admin API, one module per resource.

Each module holds the structs of its requests and responses, its handlers, and `ENDPOINTS`, from which `admin_api.app`
makes the routes and `admin_api.openapi` the document. To add an endpoint, add a struct, a handler and an `Endpoint`
with examples. `ownership`, `restrictions`, `exports` and `new_passwords` are helpers. Modules here may import
`admin_api.http`, `admin_api.access` and the stores. Begin reading at `keys`.
"""

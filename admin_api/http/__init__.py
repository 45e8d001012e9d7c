"""HTTP plumbing of the admin API, independent of any single endpoint.

Begin reading at `endpoint`: authentication, decoding of the input, the handler, the JSON response. `decoding` and
`field_types` validate input, `paging` has that of lists, `problem` maps errors to responses. Used by
`admin_api.endpoints` and `admin_api.app`; imports neither.
"""

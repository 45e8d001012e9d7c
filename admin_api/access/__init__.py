"""The sender of a request: its client, and its user.

| module | holds |
| --- | --- |
| `client` | `Client`: address, headers, and the URL under which it reached the dashboard |
| `page_cookie` | the cookie of the dashboard, and the protection against requests of other sites |
| `denied_acts` | recording of what a user was denied |
| `authentication` | `authenticate`: from a token in `Authorization` or the cookie to its user and session |

Imported by `admin_api.http.endpoint` and by the endpoints of logins. Begin reading at `authentication`.
"""

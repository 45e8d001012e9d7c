"""The endpoints of logins: `/api/auth/*`.

| module | holds |
| --- | --- |
| `login` | logging in, and changing the own password |
| `sessions` | refreshing and ending logins, and listing them |
| `models` | requests and responses of these, and their examples |
| `tokens` | the response that gives a client its token, in the body or in the cookie of the dashboard |

Begin reading at `login`.
"""

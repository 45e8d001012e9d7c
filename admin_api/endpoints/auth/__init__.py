"""The endpoints of logins: `/api/auth/*`.

| module | holds |
| --- | --- |
| `login` | logging in, and changing the own password |
| `sessions` | refreshing and ending logins, and listing them |
| `acceptance` | setting a password with the one-time link of an invitation or a reset |
| `models` | requests and responses of these, and their examples |
| `tokens` | the response that gives a client its token, in the body or in the cookie of the dashboard |

Begin reading at `login`.
"""

"""Accounts of the admin API: users, service accounts, passwords, access tokens, and login limits.

| module | holds |
| --- | --- |
| `user` | `User`: a user or service account, its role and stored form |
| `users` | `UserStore`: users in Redis, and checking their passwords |
| `user_scripts` | the scripts that change them |
| `owners` | `Owners`: users with their keys and policies |
| `password_links` | `PasswordLinks`: one-time links with which users set their password |
| `passwords` | `Passwords`: argon2id in a bounded thread pool |
| `tokens` | `AccessTokens`: issuing and verifying the JWTs of logged-in users |
| `sessions` | `Sessions`: the sessions to which these tokens belong |
| `login_limits` | `LoginLimits`: slows down wrong logins per source, and per pair of account and source |
| `creation_limits` | `CreationLimits`: limits on created keys and users per user and minute |

May import `gateway.keys`, `gateway.redis` and `gateway.timestamps`. Imported by `admin_api`, `gateway.runtime` and
`gateway.cli`. Begin reading at `users`.
"""

"""`mcp-gateway user`: users of the admin API and the dashboard, service accounts, and the policies of both.

`commands` has most of the commands and is the place to begin reading; `policy` shows and changes the policy of a user,
`logins` has one-time links for passwords and the sessions of a user, `removal` disables and deletes users, `output`
prints users, `passwords` reads passwords. Imported by `gateway.cli.app`.
"""

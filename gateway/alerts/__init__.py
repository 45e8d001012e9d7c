"""Alerts: what an operator should know within seconds, sent to a webhook.

| module | job |
| --- | --- |
| `alert`, `causes`, `signature`, `retry_schedule` | pure: alerts, their texts, their signature, and when to try again |
| `queue` | alerts in Redis: each cause once in its window, and those that wait, with a bounded history |
| `webhook` | one HTTP request |
| `sender` | sends what is due |
| `checks` | find the causes |
| `service` | runs checks and sender in one of several admin processes |
| `running` | composes these parts for an admin process; begin reading here |
| `upstream_reports` | what the gateway workers report of the upstream |

Imported by `admin_api`, `gateway.runtime`, `gateway.cli`, `gateway.observability`, and for the reports by
`gateway.proxy`.
"""

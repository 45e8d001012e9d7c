"""The documentation of every setting: meaning, reason and example, in the order of the reference page."""

from __future__ import annotations

from gateway.settings.access_descriptions import ACCESS
from gateway.settings.description import Description
from gateway.settings.limit_descriptions import LIMITS, TIMEOUTS

SECTIONS: dict[str, dict[str, Description]] = {
    "Upstream and engines": {
        "upstream_url": Description(
            "Full URL of the upstream's MCP endpoint. For a server with the HTTP+SSE transport (2024-11-05): the URL "
            "of its event stream. Required by `mcp-gateway proxy`.",
            "The gateway has one upstream. To serve several MCP servers, run one gateway for each of them.",
            "http://10.0.0.5:9000/mcp",
            "the demo server",
        ),
        "upstream_authorization": Description(
            "Value of the `Authorization` header that is sent to the upstream.",
            "The client's own `Authorization` holds its API key and is always removed. Set this if the upstream needs "
            "credentials of the gateway.",
            "Bearer upstream-token",
            "none",
        ),
        "upstream_challenge": Description(
            "What clients get when the upstream answers 401 or 403: `hide`, 502 without its `WWW-Authenticate`; "
            "`pass`, the upstream's own response.",
            "The credentials that the upstream refuses are the gateway's, and its challenge sends clients into the "
            "OAuth of another server. `pass` is for upstreams that clients authenticate to themselves, in headers "
            "other than `Authorization`.",
            "pass",
        ),
        "redis_url": Description(
            "Redis or Valkey: `redis://`, `rediss://`, `unix://`, `redis+sentinel://host,host/master` or "
            "`redis+cluster://host,host`. Required by `mcp-gateway proxy` and `mcp-gateway admin`.",
            "The proxy and the admin process share it: keys, users, sessions, limits and the usage stream are stored "
            "here. It needs an append-only file and `maxmemory-policy noeviction`.",
            "redis://:password@10.0.0.6:6379/0",
            "embedded Valkey",
        ),
        "clickhouse_url": Description(
            "ClickHouse over HTTP, `http(s)://user:password@host:8123/database`, or chDB in a folder, `chdb:///path`. "
            "Required by `mcp-gateway admin`.",
            "The usage tables are stored here. The admin process writes them; `mcp-gateway usage` and "
            "`mcp-gateway metering suggest` read them, and need this setting too.",
            "http://gateway:password@10.0.0.7:8123/mcp_gateway",
            "embedded chDB",
        ),
        "clickhouse_cluster": Description(
            "Name of a ClickHouse cluster (from `remote_servers`) on which the tables are created, replicated and "
            "distributed.",
            "Set it before the first start on a database: existing single-server tables are not converted.",
            "usage",
            "none: tables on one server",
        ),
        "data_dir": Description(
            "Folder of the embedded engines, the generated secrets and the spool. Its mode is set to 0700.",
            "Put it on a disk that outlives the process: the spool holds usage events that Redis does not have yet.",
            "/var/lib/mcp-gateway",
            "`./data`",
        ),
        "metering_rules": Description(
            "TOML file with `[[metering.rule]]` tables. It is read again on SIGHUP.",
            "Keeps rules separate from the other settings. A file that systemd passes as a credential is not read "
            "again: name another one here.",
            "/etc/mcp-gateway/rules.toml",
            "the file named by `--config`",
        ),
    },
    "Secrets and the first admin": {
        "jwt_secret": Description(
            "Secret that signs the tokens of the admin API; at least 32 bytes. Required by `mcp-gateway admin`.",
            "All admin processes must have the same one. A new secret invalidates all tokens, and everybody logs in "
            "again, unless the old one is in `GATEWAY_JWT_PREVIOUS_SECRETS`.",
            "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00",
            "generated into the data folder",
        ),
        "jwt_previous_secrets": Description(
            "Earlier values of `GATEWAY_JWT_SECRET`, separated by commas or line ends: tokens that they signed stay "
            "valid.",
            "Rotates the secret without ending logins. Tokens live for 12 hours; remove the old secret after that.",
            "0ddba11e0ddba11e0ddba11e0ddba11e0ddba11e0ddba11e0ddba11e0ddba11e",
            "none; the generated secret keeps its previous one in the data folder",
        ),
        "key_pepper": Description(
            "Secret of at least 32 bytes. If it is set, API keys are stored as HMAC-SHA-256 under it instead of as "
            "plain SHA-256.",
            "The hashes of keys in a copy of Redis are then useless without the pepper. The proxy, the admin process "
            "and `mcp-gateway key` need the same one. Changing it invalidates all keys.",
            "decade00decade00decade00decade00decade00decade00decade00decade00",
            "none: plain SHA-256",
        ),
        "admin_email": Description(
            "Email of the first admin, who is created if no user exists.",
            "Later changes have no effect; use `mcp-gateway user add` for further users.",
            "admin@example.com",
            "`admin@localhost`",
        ),
        "admin_password": Description(
            "Password of the first admin: 10 to 1024 characters, neither one of the 10,000 most common passwords nor "
            "the email.",
            "Set it where standard output is written to a log: a generated password is printed there once.",
            "correct-horse-battery",
            "generated, printed once",
        ),
    },
    "Addresses and processes": {
        "host": Description(
            "Address on which the proxy and the admin API listen.",
            "The default is reachable from this machine only. On another address set `GATEWAY_ALLOWED_HOSTS` too. With "
            "`mcp-gateway up`, another address also exposes the admin API.",
            "0.0.0.0",  # noqa: S104
        ),
        "proxy_port": Description("Port of the proxy, for MCP clients.", "All workers share this port.", "8001"),
        "admin_port": Description(
            "Port of the admin API and the dashboard.", "MCP clients never need it; keep it internal.", "8000"
        ),
        "public_url": Description(
            "URL of the MCP endpoint as clients reach it, through a load balancer or an ingress.",
            "The dashboard, `/api/info` and `mcp-gateway client-config` show this URL. Without it they show the host "
            "of the browser or of this machine, with the port of the proxy. Its path is announced to clients of the "
            "HTTP+SSE transport, and its host is one of `GATEWAY_ALLOWED_HOSTS`.",
            "https://mcp.example.com/mcp",
            "none",
        ),
        "admin_public_url": Description(
            "URL of the dashboard as browsers reach it.",
            "It is printed at the start and in the OpenAPI document, and its host is one of `GATEWAY_ALLOWED_HOSTS`.",
            "https://admin.example.com/gateway/",
            "none",
        ),
        "tls_cert": Description(
            "PEM file with the certificate of the server and its chain: TLS on the ports of the proxy and of the "
            "admin API. The metrics stay plain.",
            "Both files are checked every 2 s, and read again when they have changed; open connections continue. A "
            "pair that cannot be used is logged, and the previous one stays in use.",
            "/etc/mcp-gateway/tls/tls.crt",
            "none: no TLS",
        ),
        "tls_key": Description(
            "PEM file with the private key of the certificate, not encrypted.",
            "Set it together with `GATEWAY_TLS_CERT`. The user of the gateway must be able to read it, and no other.",
            "/etc/mcp-gateway/tls/tls.key",
            "none",
        ),
        "metrics_host": Description(
            "Address on which the Prometheus metrics are served.",
            "Metrics have no authentication. Set it if Prometheus runs on another machine.",
            "10.0.0.8",
        ),
        "metrics_port": Description(
            "Port of the Prometheus metrics, at `/metrics`. 0 disables them.",
            "Two commands on one machine need two ports.",
            "8004",
        ),
        "workers": Description(
            "Number of proxy processes.",
            "Set it in a container: the default counts the processors of the machine, not the container's share.",
            "2",
            "the number of processors, at most 4",
        ),
        "gateway_id": Description(
            "Name of this gateway in usage events.",
            "Tells replicas apart in the usage history.",
            "gateway-eu-1",
            "the host name",
        ),
    },
    "Access": ACCESS,
    "Limits": LIMITS,
    "Time-outs": TIMEOUTS,
    "Usage": {
        "usage_stream_max_entries": Description(
            "Alarm threshold for the length of the usage stream: above it, an error is logged. Nothing is "
            "dropped, and the stream keeps growing.",
            "An entry has about 230 bytes for each event. Set it below the memory of Redis.",
            "20000000",
        ),
        "usage_spool_max_bytes": Description(
            "Maximum total size of the spool of one worker, in bytes.",
            "While Redis is away, events are kept here; when it is full too, responses are withheld with 503.",
            "1073741824",
        ),
        "usage_ttl_days": Description(
            "Days after which rows of the usage tables are deleted.",
            "Applies to the history and to the roll-ups.",
            "400",
            "never",
        ),
        "audit_ttl_days": Description(
            "Days after which entries of the audit log are deleted.",
            "ClickHouse deletes them in the background, by days in UTC.",
            "730",
            "never",
        ),
    },
    "Alerts": {
        "webhook_url": Description(
            "URL to which alerts are sent with POST, such as the URL of an incoming webhook of Slack.",
            "The admin process tells it about limits that are nearly used up, keys that end, dead letters, usage that "
            "does not balance, an upstream that is away and attacks on logins. It may contain a token, and is never "
            "shown.",
            "https://alerts.example.com/gateway",
            "none: no alerts",
        ),
        "webhook_secret": Description(
            "Secret that signs alerts, in the header `X-Gateway-Signature`.",
            "Lets the receiver tell them from requests of others. Make one with `openssl rand -hex 32`.",
            "5eed005eed005eed005eed005eed005eed005eed005eed005eed005eed005eed",
            "none: alerts are not signed",
        ),
    },
    "Logs": {
        "log_level": Description(
            "Lowest severity that is logged: `debug`, `info`, `warning` or `error`.",
            "`debug` has one line for each request.",
            "debug",
        ),
        "log_format": Description(
            "`text`, `json` (one object for each line), or `auto`: text on a terminal, otherwise JSON.",
            "Set it to `json` if something reads the logs.",
            "json",
        ),
    },
}

DESCRIPTIONS: dict[str, Description] = {name: about for section in SECTIONS.values() for name, about in section.items()}

"""The documentation of the limits and time-outs of requests; see `gateway.settings.descriptions`."""

from __future__ import annotations

from gateway.settings.description import Description

LIMITS: dict[str, Description] = {
    "max_request_bytes": Description(
        "Largest request body in bytes; larger ones are answered 413.",
        "Raise it if tools take files as arguments.",
        "16777216",
    ),
    "max_concurrent_requests": Description(
        "Requests that one worker serves at the same time; separately, as many listening streams, and a quarter as "
        "many requests without a valid key. More are answered 503.",
        "Bounds memory and sockets. A request uses two file descriptors.",
        "5000",
    ),
    "limits_when_redis_away": Description(
        "While Redis is unavailable, requests of keys with limits are answered 503 (`refuse`), or go on without a "
        "check (`allow`): what they use is counted when Redis is available again.",
        "`allow` lets keys exceed their limits in that time.",
        "allow",
    ),
    "open_handshakes_per_address": Description(
        "Sessions per client address that were opened without a key and are not yet claimed by one. More are "
        "answered 429.",
        "Keeps clients without a key from filling the upstream with sessions. Raise it if many clients share one "
        "address.",
        "200",
    ),
    "unclaimed_session_seconds": Description(
        "Seconds after which a session that no key has claimed is ended at the upstream.",
        "Raise it for clients that wait for a person between `initialize` and the first call.",
        "300",
    ),
}
TIMEOUTS: dict[str, Description] = {
    "start_timeout": Description(
        "Seconds for which the start of `mcp-gateway proxy` and `mcp-gateway admin` waits for Redis and "
        "ClickHouse. 0: no wait.",
        "Lets containers start in any order. `mcp-gateway up` does not wait.",
        "120",
    ),
    "connect_timeout": Description(
        "Seconds to connect to the upstream; then 504. A refused connection is answered 502 immediately.",
        "Lower it to notice an upstream that is down earlier.",
        "2",
    ),
    "request_head_timeout": Description(
        "Seconds for a client to send the head of a request; then the connection is closed.",
        "Bounds slow clients (slowloris).",
        "10",
    ),
    "request_body_timeout": Description(
        "Seconds for a client to send the body of a request; then 408.",
        "Raise it for large bodies on slow links.",
        "60",
    ),
    "first_byte_timeout": Description(
        "Seconds to the first byte of the upstream's response; then 504.",
        "Must be longer than the slowest tool of a server that answers with plain JSON.",
        "600",
    ),
    "idle_timeout": Description(
        "Seconds for which a response may be silent after its first byte; then 504, or, if a part of it was "
        "already sent to the client, the connection is closed.",
        "Must be longer than the longest pause of an event stream.",
        "7200",
    ),
    "drain_timeout": Description(
        "Seconds that open requests get to finish when the gateway is stopped. Listening streams are closed "
        "immediately.",
        "The workers are stopped at the same time. One that has not ended 5 s later is killed.",
        "10",
    ),
    "keepalive_timeout": Description(
        "Seconds that an idle connection of a client stays open.",
        "Must be longer than the idle time-out of a load balancer in front of the gateway, often 60 s: otherwise "
        "the balancer sends requests on connections that are being closed.",
        "620",
    ),
    "sse_ping_seconds": Description(
        "Seconds of silence after which an event stream gets a comment (`: ping`), between events; 0: never.",
        "Proxies close connections on which nothing was sent for long, often for 60 s. Clients ignore comments.",
        "10",
    ),
}

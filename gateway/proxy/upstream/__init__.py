"""The HTTP/1.1 client of the proxy: pooled connections to the one upstream, with time-outs by phase and no retries.

- `config`: the address and the time-outs.
- `pool`: sends requests on idle or new connections.
- `keep_alive`: the time for which idle connections are reused.
- `connection`: one connection, its states and time-outs; `socket_reader` is its flow control.
- `response_parser`: one response, its states; `llhttp_reader` holds the strict rules for heads, and
  `response_head` recognizes known ones.
- `response_check`: rejects responses that must not reach a client.
- `body_buffer`: received body bytes that wait for their reader.
- `errors`: what can go wrong, by phase, and as which status a client sees it.

Imported by `pipeline`, `fast_path` and `services`, and imports only `gateway.protocol`. Begin reading in `pool`.
"""

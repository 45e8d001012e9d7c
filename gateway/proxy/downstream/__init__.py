"""The server side of the proxy: the connections of clients, the framing of their requests, and the bytes of responses.

Begin with `server`, which accepts connections. `framing` rejects requests that two HTTP parsers could read differently;
`gateway_responses` builds the responses that the gateway makes itself, most of them from a `Deny`; `cors` serves
browsers.

Imported by `pipeline`, `fast_path` and `worker`; of `proxy`, it imports only `admission`.
"""

"""The server side of the proxy: aiohttp behind the connections of clients, and the bytes of responses.

Begin with `connection`, the protocol of one connection. `framing` rejects requests that two HTTP parsers could read
differently; `aiohttp_bridge` passes all others to aiohttp, which calls the handler (`pipeline.handler`);
`request_context` has what connection and handler share, and writes responses. `gateway_responses` builds those that the
gateway makes itself, most of them from a `Deny`; `cors` serves browsers.

Imported by `pipeline`, `fast_path` and `worker`; of `proxy`, it imports only `admission`.
"""

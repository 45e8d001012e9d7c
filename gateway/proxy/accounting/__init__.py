"""Accounting: counts answered calls, and withholds from restricted keys what they may not see.

Begin with `pending_calls`: it matches responses to the calls of one client request. `response_inspection` inspects a
single response, `redaction` replaces what a restricted key may not see, and `usage_events` builds the events. Responses
that arrive on another stream are matched by `correlation`, through Redis. `services` is what a worker provides.

The pipeline and the fast path import this package; of `proxy`, it imports only `clock` and the pure modules of
`admission`.
"""

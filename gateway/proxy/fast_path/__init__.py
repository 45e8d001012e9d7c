"""Fast path: handles most `tools/call` requests in protocol callbacks, without a task.

Only the worker imports this package, to put it in front of the general path. Without it, the general path serves
everything. Begin reading in `fast_path`; `call` has what happens after a request was sent upstream.
"""

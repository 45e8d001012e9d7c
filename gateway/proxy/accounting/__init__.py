"""Accounting: counts answered calls, and withholds from restricted keys what they may not see.

- `exchange`: matches the responses of one client request with its requests (`tracked_request`).
- `response_decoder`, `response_inspection`, `redaction`: decode one response, inspect it, and replace what a restricted
  key may not see. `created_tasks` finds the tasks that calls create.
- `call_meter`: finds the tables and records of a call, with the operator's rules.
- `usage_events`: builds the events.
- `correlation`: matches responses that arrive on another stream, through Redis. `correlation_store` has the commands,
  `correlation_models` the records.
- `services`: what a worker provides to all exchanges.

Imported by `pipeline`, `fast_path`, `services` and `stores`; of `proxy`, it imports only `clock`, `tools.known_tools`
and the modules of `admission` that do no I/O. Begin reading in `exchange`.
"""

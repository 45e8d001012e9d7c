"""Logging and Prometheus metrics of all processes.

`logs` configures logging and redacts secrets: begin there. `metrics` implements the metrics sinks that the proxy and
the usage pipeline define; those packages do not import it. May import `gateway.keys`, `gateway.usage` and
`gateway.timestamps`. Imported by `gateway.runtime`.
"""

"""Access to Redis or Valkey: clients, dedicated connections, durable writes, leases, subscriptions, names of keys.

Begin with `client`, which connects to one server, through Sentinel, or to a Cluster; `names` lists what is stored.
Imports only `gateway.event_loop`; the table in tests/test_imports.py says which packages import it.
"""

"""Access to Redis or Valkey: clients, dedicated connections, durable writes, subscriptions, and every key name.

Begin with `client`, which connects to one server, through Sentinel, or to a Cluster; `names` lists what is stored.
Every package except `gateway.protocol` and `gateway.metering` may import this one; it imports only
`gateway.event_loop`.
"""

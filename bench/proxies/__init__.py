"""The measured proxies: each is started and stopped by a context manager.

`baselines` has the proxies that the gateway is compared with, `gateway` the gateway and its keys, and `usage_history`
the verification of its usage events.
"""

"""Benchmark of the gateway, compared with nginx, a plain aiohttp proxy, and no proxy.

Begin with `command`, which runs the measurements. `proxies` starts what is measured, `measurements` puts it under load,
`results` compares two proxies, and `report` prints the tables. The product imports nothing of this package.
"""

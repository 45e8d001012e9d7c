"""Benchmark of the gateway, compared with nginx, two Python proxies, and no proxy.

Begin with `command`, which runs the measurements. `proxies` starts what is measured, `measurements` puts it under load,
`results` compares two proxies, and `report` prints the tables. The product imports nothing of this package.
"""

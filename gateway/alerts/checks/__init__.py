"""The checks that find causes of alerts: the limits and the ends of keys, and the state of the gateway.

`periodic.periodic_checks` lists them with their intervals.
"""

"""The measurements: runs of the load generator, idle streams, loop iterations, metering, profiles.

`bench.command` decides which run and in which order. Begin reading in `runs`.
"""

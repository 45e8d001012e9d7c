"""Recorded calls: explaining how one is counted.

`recorded_call` reads a call from a file, `explanation` meters it step by step. Imported by `gateway.cli`; imports the
other modules of `metering`. Not for an event loop. Begin with `explanation`.
"""

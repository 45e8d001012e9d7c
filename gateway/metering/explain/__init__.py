"""Recorded calls: explaining how one is counted, and reporting a wrong count without its values.

`recorded_call` reads a call from a file, `explanation` meters it step by step. `report` anonymizes it: `anonymization`
decides what is replaced, `replacements` by what, and `structural_words` are kept. Imported by `gateway.cli`; imports
the other modules of `metering`. Not for an event loop. Begin with `explanation` or `report`.
"""

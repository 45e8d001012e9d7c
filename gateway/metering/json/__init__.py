"""JSON values: reading their structure within bounds, and counting the records in it.

`structure` reads a value, by `sampled_structure` or, if it is large, `single_pass_structure`; what they skip is
represented by `partial_values`. `shapes` counts the records in a value, with `objects` and `maps` to classify objects.
"""

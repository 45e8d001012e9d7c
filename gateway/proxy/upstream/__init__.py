"""The HTTP/1.1 client towards the upstream: strict, pooled, with time-outs by phase, and it never sends twice."""

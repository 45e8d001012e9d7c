"""Counts of the requests that were refused with 403 or 429, by key, tool and reason.

- `counts`: the counts since they were last taken, bounded. Pure.
- `sending`: adds them to the usage stream every few seconds.

`pipeline.handler` and `fast_path.received_call`, which send the rejections, count them. Imported by `stores` and
`services`, too.
"""

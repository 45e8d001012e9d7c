"""The producing side, in the gateway workers: from a usage event to a durable copy of it.

`stream.UsageStream` is the entry point. Modules, from the caller inwards:

| module | job |
| --- | --- |
| `stream` | takes events, makes batches, sends each to Redis and to the spool |
| `batch`, `channel` | events that travel together, and the numbered sequences they travel in |
| `stream_client`, `append_script` | the commands that workers send to Redis |
| `spool` | the copy on disk: one file format (`spool_format`), one folder a process (`spool_folder`, `spool_files`) |
| `spool_replay`, `replay_task` | sending again what Redis lacks, and removing what it has |

Imported by `gateway.proxy`. Imports neither `gateway.usage.consumer` nor `gateway.usage.store`.
"""

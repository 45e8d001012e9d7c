"""Running the gateway: the commands `up`, `proxy` and `admin`, and the processes that they start.

| module | content |
| --- | --- |
| `up_command`, `proxy_command`, `admin_command` | one command each: checks, child processes, the start-up message |
| `command` | the parts that the three share: signals, exit codes, the supervisor with its metrics port |
| `supervision/` | the supervisor, and the child's side of its protocol |
| `proxy_worker`, `admin_process` | entry points of the child processes (`python -m gateway.runtime.proxy_worker`) |
| `admin_services` | the services inside the admin process: admin API, usage writer, reconciliation |
| `diagnosis` | the checks of `doctor`, made by the admin process |
| `embedded` | Valkey and the demo upstream as child processes |
| `data_dir` | the data folder: its lock, its secret, and the file by which other commands find a running `up` |
| `startup_banner` | the text that a start prints |
| `backup` | the format of a backup file |

May import the packages in its row of the table in tests/test_imports.py; `admin_services` is the only module of
`gateway` that imports `admin_api`. Imported by `gateway.cli`. Begin reading at `up_command`.
"""

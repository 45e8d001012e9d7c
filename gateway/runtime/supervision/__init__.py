"""Both sides of the protocol between the supervisor and its child processes.

| channel | carries |
| --- | --- |
| standard input | one line, the settings as JSON; then it stays open, and its end means that the supervisor is gone |
| standard output | the first line means that the child is ready; the rest is discarded |
| standard error | the log |
| SIGHUP | read the metering rules again |
| SIGTERM | drain and end |

Settings go over a pipe, so no secret appears in an environment or on a command line. `supervisor` is the parent's side
and the place to begin reading; `child_process` is the child's; `scratch_folder` is for files of both. Imports no other
package of the project; imported by `gateway.runtime` alone.
"""

"""The health check of the container images, with nothing but Python: `healthcheck.py any|all`.

Asks the proxy and the admin API for `/healthz`, on the ports that the environment names. Exit code 0 where any of them
(one role in the container), or all of them (`mcp-gateway up`), answer 200.
"""

import http.client
import os
import sys

SECONDS = 2.0
"""For one answer; the two of them stay within the health check's own time-out."""
EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104


def is_alive(host: str, port: int) -> bool:
    """Whether `/healthz` is answered 200. `Host` is a name that is always allowed."""
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """The exit code: 0 for healthy, 1 for not, 2 for a wrong call."""
    needed = {"any": any, "all": all}.get(" ".join(arguments))
    if needed is None:
        sys.stderr.write("usage: healthcheck.py any|all\n")
        return 2
    host = os.environ.get("GATEWAY_HOST", "")
    host = "127.0.0.1" if host in EVERYWHERE else host
    ports = (int(os.environ.get("GATEWAY_PROXY_PORT", "8001")), int(os.environ.get("GATEWAY_ADMIN_PORT", "8000")))
    return 0 if needed(is_alive(host, port) for port in ports) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

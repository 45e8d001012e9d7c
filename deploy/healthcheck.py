"""Health check of the container images: `healthcheck.py any|all`. Needs only the standard library.

Requests `/healthz` of the proxy and of the admin API, on the ports in the environment, with TLS if that is configured
there. Exits with 0 if any of them (one role in the container) or all of them (`mcp-gateway up`) respond with 200.
"""

import http.client
import os
import ssl
import sys

TIMEOUT = 2.0
"""Seconds for one request; two requests take less than the time-out of the health check."""
WILDCARD_ADDRESSES = {"", "0.0.0.0", "::"}  # noqa: S104


def is_healthy(connection: http.client.HTTPConnection) -> bool:
    """Return True if `/healthz` responds with 200."""
    try:
        # The gateway allows this host name always.
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def connect(host: str, port: int) -> http.client.HTTPConnection:
    """Return a connection that is not open yet."""
    if not os.environ.get("GATEWAY_TLS_CERT"):
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    # The certificate is for the name that clients use, and nothing confidential is sent.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 if healthy, 1 if not, 2 for wrong arguments."""
    combine = {"any": any, "all": all}.get(" ".join(arguments))
    if combine is None:
        sys.stderr.write("usage: healthcheck.py any|all\n")
        return 2
    host = os.environ.get("GATEWAY_HOST", "")
    host = "127.0.0.1" if host in WILDCARD_ADDRESSES else host
    ports = (int(os.environ.get("GATEWAY_PROXY_PORT", "8001")), int(os.environ.get("GATEWAY_ADMIN_PORT", "8000")))
    return 0 if combine(is_healthy(connect(host, port)) for port in ports) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

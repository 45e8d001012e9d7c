"""Lines of requests that the tests of this package share."""

from __future__ import annotations

from tests.support.wire import PING

POST = b"POST /mcp HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: %d" % len(PING)

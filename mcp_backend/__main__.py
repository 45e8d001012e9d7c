"""`python -m mcp_backend`: serve the stock prices over MCP's streamable HTTP.

- Standard output gets one line when the server is ready.
- SIGINT and SIGTERM end the process with code 0, also while streams are open.
- If the server cannot start, it prints the reason on standard error and ends with code 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

_DESCRIPTION = """\
A demo MCP server with real daily stock prices: AAPL, FB, GOOG, IBM and MSFT from
2000-03-01 to 2013-03-01, in the tables stock_basic, stock_daily and index_daily.
It serves MCP's streamable HTTP at /mcp. All tools are read-only, and no key is needed.
"""

_EXAMPLES = """\
examples:
  python -m mcp_backend
      serves http://127.0.0.1:8002/mcp
  python -m mcp_backend --port 0
      listens on a free port
  python -m mcp_backend --json-response --stateless
      responds with plain JSON, without event streams and sessions

It prints "mcp_backend listening on URL" when it is ready. Ctrl-C or SIGTERM stops it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit code."""
    options = argument_parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    try:
        # Not at the top, so that --help is quick and a missing package is reported in one line.
        from mcp_backend.http_server import CannotListenError, Options, serve
    except ModuleNotFoundError as error:
        return _report_missing(error)
    try:
        serve(Options(**vars(options)))
    except ModuleNotFoundError as error:
        return _report_missing(error)
    except CannotListenError as error:
        return _report(str(error))
    return 0


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; its options are the fields of `http_server.Options`."""
    parser = argparse.ArgumentParser(
        prog="python -m mcp_backend",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument(
        "--port", type=_port, default=8002, help="port to listen on; 0 means a free one (default: 8002)"
    )
    parser.add_argument("--fd", type=int, help="listening socket to use instead of opening one, as a file descriptor")
    parser.add_argument(
        "--json-response",
        action="store_true",
        help="respond with one JSON body instead of an event stream; no progress is sent then",
    )
    parser.add_argument("--stateless", action="store_true", help="use no sessions; each request is independent")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="warning",
        help="lowest level that is logged to standard error (default: warning)",
    )
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port; use a number from 0 to 65535")


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _report_missing(error: ModuleNotFoundError) -> int:
    if error.name and error.name.startswith("mcp_backend"):
        raise error
    return _report(f"{error.name} is not installed; run: pip install 'mcp-key-gateway[demo]'")


def _report(reason: str) -> int:
    sys.stderr.write(f"mcp_backend: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

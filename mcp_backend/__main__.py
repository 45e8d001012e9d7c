"""`python -m mcp_backend`: serve the stock prices over MCP's streamable HTTP.

Rules:
- Standard output gets one line, when the port answers.
- SIGINT and SIGTERM end the process with code 0, also while streams are open.
- What cannot start says why in one line on standard error and ends with code 1.
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
It speaks MCP's streamable HTTP at /mcp, reads only, and asks for no key.
"""

_EXAMPLES = """\
examples:
  python -m mcp_backend
      serves http://127.0.0.1:8002/mcp
  python -m mcp_backend --port 0
      takes a free port
  python -m mcp_backend --json-response --stateless
      answers as plain JSON, without event streams and sessions

It prints "mcp_backend listening on URL" when it answers. Ctrl-C or SIGTERM ends it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        # Late: --help answers at once, and a package that is missing is told in one line.
        from mcp_backend.serving import CannotListenError, Options, serve
    except ModuleNotFoundError as error:
        return _missing(error)
    try:
        serve(Options(**vars(chosen)))
    except ModuleNotFoundError as error:
        return _missing(error)
    except CannotListenError as error:
        return _fail(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mcp_backend",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)"
    )
    parser.add_argument(
        "--port", type=_port, default=8002, help="port to listen on; 0 takes a free one (default: 8002)"
    )
    parser.add_argument(
        "--fd", type=int, help="serve on this open, listening socket instead, so that its port outlives the process"
    )
    parser.add_argument(
        "--json-response",
        action="store_true",
        help="answer each request with one JSON body instead of an event stream; progress is then not sent",
    )
    parser.add_argument("--stateless", action="store_true", help="open no sessions; each request stands for itself")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="warning",
        help="least level that is written to standard error (default: warning)",
    )
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 0 to 65535")


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _missing(error: ModuleNotFoundError) -> int:
    if error.name and error.name.startswith("mcp_backend"):
        raise error
    return _fail(f"{error.name} is not installed; run: pip install 'mcp-key-gateway[demo]'")


def _fail(reason: str) -> int:
    sys.stderr.write(f"mcp_backend: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

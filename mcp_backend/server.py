"""The MCP server: its tools, resources, prompt and completions over one database of prices."""

from __future__ import annotations

import inspect
import json
from typing import Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
    ToolAnnotations,
)

from mcp_backend import queries
from mcp_backend.coverage import Coverage
from mcp_backend.database import Database
from mcp_backend.errors import CallerError
from mcp_backend.tools.analysis import AnalysisTools
from mcp_backend.tools.parameters import Symbol
from mcp_backend.tools.tables import TableTools

NAME: Final = "stock-data"
VERSION: Final = "1.0.0"
INSTRUCTIONS: Final = (
    "Real daily prices of AAPL, FB, GOOG, IBM and MSFT from 2000-03-01 to 2013-03-01, in USD. "
    "Start with list_tables and describe_table. Dates are YYYY-MM-DD. Everything is read-only."
)
READ_ONLY: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def create_server(database: Database) -> MCPServer[None]:
    """Create the server on a database; the caller closes the database after the server has stopped."""
    with database.reader() as reader:
        coverage = queries.coverage(reader)
    # The default of the SDK, INFO, logs every request.
    server: MCPServer[None] = MCPServer(
        NAME, title="Stock data", version=VERSION, instructions=INSTRUCTIONS, log_level="WARNING"
    )
    _add_tools(server, database, coverage)
    _add_resources(server, database, coverage)
    _add_prompt(server, coverage)
    return server


def _add_tools(server: MCPServer[None], database: Database, coverage: Coverage) -> None:
    tables, analyses = TableTools(database, coverage), AnalysisTools(database, coverage)
    for tool, title in (
        (tables.list_tables, "List tables"),
        (tables.describe_table, "Describe a table"),
        (tables.query_stock_daily, "Daily prices of a stock"),
        (tables.query_index_daily, "Daily levels of the index"),
        (tables.get_latest_price, "Latest price of a stock"),
        (analyses.compare_stocks, "Compare stocks"),
        (analyses.moving_average, "Moving average"),
        (analyses.correlation_matrix, "Correlation of stocks"),
        (analyses.backtest_crossover, "Back-test a crossover strategy"),
        (tables.run_sql, "Run SQL"),
    ):
        # Without getdoc, the description would have the indentation of the source.
        server.add_tool(tool, title=title, description=inspect.getdoc(tool), annotations=READ_ONLY)
    server.add_tool(
        tables.export_csv,
        title="Export as CSV",
        description=inspect.getdoc(tables.export_csv),
        annotations=READ_ONLY,
        structured_output=False,
    )


def _add_resources(server: MCPServer[None], database: Database, coverage: Coverage) -> None:
    @server.resource("stocks://symbols", title="Symbols", mime_type="application/json")
    def symbols() -> str:
        """The stocks with prices: a JSON array of the rows of stock_basic."""
        with database.reader() as reader:
            return json.dumps(queries.profiles(reader))

    @server.resource("stocks://{symbol}/profile", title="Profile of a stock", mime_type="application/json")
    def profile(symbol: str) -> str:
        """One stock: a JSON object, its row of stock_basic."""
        try:
            known = coverage.symbol(symbol)
        except CallerError as error:
            raise ResourceNotFoundError(str(error)) from error
        with database.reader() as reader:
            return json.dumps(queries.profile(reader, known))


def _add_prompt(server: MCPServer[None], coverage: Coverage) -> None:
    @server.prompt(title="Analyse a stock")
    def analyse_stock(symbol: Symbol) -> str:
        """Ask for an analysis of one stock: trend, risk and how it did against the others."""
        try:
            known = coverage.symbol(symbol)
        except CallerError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        period = coverage.periods[known]
        others = ", ".join(symbol for symbol in coverage.symbols if symbol != known)
        return (
            f"Analyse the stock {known} from {period.start} to {period.end}.\n"
            "1. Read its latest price with get_latest_price, its trend with moving_average (50, 200 days).\n"
            "2. Compare its return, volatility and deepest fall with those of the other stocks"
            f" ({others}) with compare_stocks; see with correlation_matrix which of them moves with it.\n"
            "3. Set it against the equal-weight index with query_index_daily.\n"
            "Give the figures with their units and dates, and say which tool each comes from."
        )

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        if argument.name != "symbol":
            return None
        typed = argument.value.strip().upper()
        matches = [symbol for symbol in coverage.symbols if symbol.startswith(typed)]
        return Completion(values=matches, total=len(matches), has_more=False)

"""KQL, the query language of Kusto: the tables are the first element of each pipeline, and operands of its operators.

A pipeline in parentheses is one as well, wherever it is. Everything that may name a table in another way makes the
tables not exhaustive: functions and operators that are not listed here, plugins, other clusters, control commands.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import STRING, WORD, Lexer, Node, Nodes, find_word, skip_options, split
from gateway.metering.vocabulary.kql import (
    FUNCTIONS,
    GENERATORS,
    IMPLICIT,
    NOT_FUNCTIONS,
    OPERATORS,
    OUTER_FUNCTIONS,
    PURE_OPERATORS,
    PURE_PLUGINS,
    SOURCE_FUNCTIONS,
)

_LEXER = Lexer(
    comments=("//",),
    literals=[
        r'[hH]?@"((?:[^"\n]|"")*)"',
        r"[hH]?@'((?:[^'\n]|'')*)'",
        r"```((?:[^`]|`(?!``))*)```",
        r"~~~((?:[^~]|~(?!~~))*)~~~",
        r'[hH]?"((?:[^"\\\n]|\\.)*)"',
        r"[hH]?'((?:[^'\\\n]|\\.)*)'",
    ],
    word_characters=r"\w*",
    marks=r"==|=~|!=|!~|<\||<=|>=|=>|\.\.",
)


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a query or control command; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    reader = _Reader(text)
    if nodes[0].is_mark("."):
        return reader.command(nodes[1:])
    reader.statements(nodes)
    return reader.sources.analysis() if reader.is_understood else None


class _Reader:
    """Collects the tables. What a query defines hides a table of that name: tables everywhere, values in lists."""

    def __init__(self, text: str) -> None:
        self.sources = Sources(text)
        self.is_understood = True
        self._tables: set[str] = set()
        self._scalars: set[str] = set()
        self._functions: dict[str, bool] = {}
        """The functions that the query defines, and whether they return a table."""

    def statements(self, nodes: Nodes) -> None:
        for statement in filter(None, split(nodes, ";")):
            self._statement(statement)

    def _statement(self, nodes: Nodes) -> None:
        first = nodes[0].word
        if first == "let" and len(nodes) > 3 and nodes[2].is_mark("="):
            self._define(nodes[1], nodes[3:])
        elif first in ("alias", "restrict", "pattern", "declare"):
            self.sources.reach_more()
        elif first != "set":
            self._pipeline(nodes)

    def _define(self, name: Node, value: Nodes) -> None:
        is_view = value[0].word == "view"
        body = value[1:] if is_view else value
        if len(body) == 2 and body[0].kind == "(" and body[1].kind == "{":
            self._function_body(body[0], body[1])
            self._functions[name.text] = _is_tabular(split(body[1].nodes, ";")[-1])
        elif _is_tabular(value) or self._is_call_of_tabular(value):
            is_view = True
            self._pipeline(value)
        else:
            self._expression(value)
            self._scalars.add(name.text)
        (self._tables.add if is_view else self._tables.discard)(name.text)

    def _function_body(self, parameters: Node, body: Node) -> None:
        """Read a function that the query defines. One that takes tables may be called with any."""
        outer = self._tables, self._scalars, self._functions.copy()
        named = [one for one in split(parameters.nodes, ",") if one]
        tables = {one[0].text for one in named if one[2:3] and one[2].kind == "("}
        values = {one[0].text for one in named} - tables
        if tables:
            self.sources.reach_more()
        self._tables, self._scalars = self._tables - values | tables, self._scalars - tables | values
        self.statements(body.nodes)
        self._tables, self._scalars, self._functions = outer

    def _is_call_of_tabular(self, nodes: Nodes) -> bool:
        return len(nodes) == 2 and nodes[1].kind == "(" and self._functions.get(nodes[0].text, False)

    def _pipeline(self, nodes: Nodes) -> None:
        source, *operators = split(nodes, "|")
        self._source(source)
        for operator in operators:
            self._operator(operator)

    def _source(self, nodes: Nodes) -> None:
        first = nodes[0].word if nodes else ""
        if first in ("union", "find", "search"):
            self._operator(nodes, is_first=True)
        elif first in GENERATORS and len(nodes) > 1 and not nodes[1].is_mark("."):
            self._expression(nodes[1:])
        elif first == "externaldata":
            self.sources.reach_more()
        elif not nodes or (rest := self._reference(nodes)):
            self.is_understood = self.is_understood and bool(nodes) and rest[0].word == "as"
            self.sources.reach_more()

    def _reference(self, nodes: Nodes) -> Nodes:
        """Read a table, a pipeline in parentheses, or a call; return what follows."""
        if nodes[0].kind == "(":
            self._pipeline(nodes[0].nodes)
            return nodes[1:]
        parts: list[str] = []
        at = 0
        while at < len(nodes):
            node = nodes[at]
            following = nodes[at + 1] if at + 1 < len(nodes) else None
            if node.kind == WORD and following is not None and following.kind == "(":
                self._call(node, following.nodes, parts)
                at += 2
            elif (name := _name(node)) is not None:
                parts.append(name)
                at += 1
            else:
                return nodes
            if at >= len(nodes) or not nodes[at].is_mark("."):
                break
            at += 1
        if parts and (len(parts) > 1 or parts[0] not in self._tables):
            self.sources.add(".".join(parts))
        return nodes[at:]

    def _references(self, nodes: Nodes) -> None:
        """Read operands between commas."""
        for operand in split(nodes, ","):
            if not operand or self._reference(operand):
                self.sources.reach_more()

    def _call(self, function: Node, arguments: Nodes, parts: list[str]) -> None:
        """Read a call in a place of a table; add the names that it gives to `parts`."""
        name = function.word
        literal = arguments[0].text if len(arguments) == 1 and arguments[0].kind == STRING else None
        if name in ("database", *SOURCE_FUNCTIONS) and literal is not None:
            parts.append(literal)
        elif name in ("materialize", "toscalar", "view"):
            self._pipeline(arguments)
        else:
            if function.text not in self._functions:
                self.sources.reach_more()
                self.is_understood = self.is_understood and not parts
            if name not in OUTER_FUNCTIONS:
                self._expression(arguments)

    def _operator(self, nodes: Nodes, *, is_first: bool = False) -> None:
        name = nodes[0].word if nodes else ""
        rest = nodes[1:]
        if name in ("join", "lookup"):
            operand = skip_options(rest)
            self._expression(self._reference(operand) if operand else ())
        elif name == "union":
            self._references(skip_options(rest))
        elif name in ("find", "search"):
            self._search(skip_options(rest), is_first=is_first)
        elif name in IMPLICIT:
            self._implicit(rest)
        elif name == "evaluate":
            plugin = skip_options(rest)
            if not plugin or plugin[0].word not in PURE_PLUGINS:
                self.sources.reach_more()
            self._expression(plugin[1:])
        else:
            if name not in PURE_OPERATORS and not (name == "make" and len(nodes) > 2 and nodes[2].word == "series"):
                self.sources.reach_more()
            self._expression(rest)

    def _search(self, nodes: Nodes, *, is_first: bool) -> None:
        at = find_word(nodes, "in")
        if at <= 1 and at + 1 < len(nodes) and nodes[at + 1].kind == "(":
            self._references(nodes[at + 1].nodes)
            self._expression(nodes[at + 2 :])
            return
        if is_first:
            self.sources.reach_more()
        self._expression(nodes)

    def _implicit(self, nodes: Nodes) -> None:
        """Read an operator that applies pipelines without a source to its input."""
        others: list[Node] = []
        for at, node in enumerate(nodes):
            first = node.nodes[0].word if node.nodes else ""
            is_call = at > 0 and _is_call(nodes[at - 1]) and first not in OPERATORS
            if node.kind == "{":
                self._pipeline(node.nodes)
            elif node.kind == "(" and (not is_call or any(one.is_mark("|") for one in node.nodes)):
                for operator in split(node.nodes, "|"):
                    self._operator(operator)
            else:
                others.append(node)
        self._expression(others)

    def _expression(self, nodes: Nodes) -> None:
        """Read the pipelines and calls in an expression."""
        for at, node in enumerate(nodes):
            before = nodes[at - 1] if at else None
            if node.kind not in ("(", "[", "{"):
                continue
            if node.kind == "(" and any(one.is_mark("|") for one in node.nodes):
                self._pipeline(node.nodes)
            elif node.kind != "(" or before is None or not _is_call(before):
                is_set = before is not None and (before.word in ("in", "has_any", "has_all") or before.is_mark("~"))
                if is_set and (name := _only_name(node)) and name not in self._tables | self._scalars:
                    self.sources.add(name, self.sources.possible)
                self._expression(node.nodes)
            elif before.word in ("toscalar", "materialize", *SOURCE_FUNCTIONS, *OUTER_FUNCTIONS):
                self._reference(nodes[at - 1 :])
            else:
                if before.text not in self._functions and before.word not in FUNCTIONS:
                    self.sources.reach_more()
                self._expression(node.nodes)

    def command(self, nodes: Nodes) -> QueryAnalysis | None:
        """Read a control command; what else it reaches is unknown."""
        self.sources.reach_more()
        verb = nodes[0].word if nodes else ""
        query = next((at for at, node in enumerate(nodes) if node.is_mark("<|")), len(nodes))
        at = find_word(nodes[:query], "table")
        target = _name(nodes[at + 1]) if at + 1 < query else None
        if verb == "show":
            self.sources.lists_names = target is None
            self.sources.add(target or "")
            return self.sources.analysis()
        if target is None and verb in ("set", "append") and query < len(nodes):
            target = [name for node in nodes[:query] if (name := _name(node)) is not None][-1]
        self.sources.write(target or "")
        if query + 1 < len(nodes):
            self.statements(nodes[query + 1 :])
        return self.sources.analysis(returns_rows=False)


def _name(node: Node) -> str | None:
    """Return the name in `T`, `["T"]` or `['T']`; `None` for another node."""
    if node.is_identifier:
        return node.text
    if node.kind == "[" and len(node.nodes) == 1 and node.nodes[0].kind == STRING:
        return node.nodes[0].text
    return None


def _only_name(group: Node) -> str | None:
    """Return the name that is all that a group holds, also in further parentheses."""
    while len(group.nodes) == 1 and group.nodes[0].kind == "(":
        group = group.nodes[0]
    return _name(group.nodes[0]) if len(group.nodes) == 1 else None


def _is_call(before: Node) -> bool:
    return before.kind == WORD and before.word not in NOT_FUNCTIONS and not before.text.isdigit()


def _is_tabular(nodes: Nodes) -> bool:
    """Return True if the value of `let` is a table: a pipeline, or a name."""
    if not nodes or any(node.is_mark("|") for node in nodes):
        return bool(nodes)
    if len(nodes) == 1 and nodes[0].kind == "(":
        return _is_tabular(nodes[0].nodes)
    first = nodes[0].word
    is_source = first in (*GENERATORS, "union", "search", "find", "externaldata", "materialize", "view")
    outer = first in (*SOURCE_FUNCTIONS, *OUTER_FUNCTIONS)
    is_name = len(nodes) == 1 and _name(nodes[0]) is not None and not nodes[0].text[:1].isdigit()
    return (is_source or outer or is_name) and first not in ("true", "false", "null")

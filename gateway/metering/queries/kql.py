"""KQL, the query language of Kusto: the tables are the first element of each pipeline, and operands of its operators.

A pipeline in parentheses is one as well, wherever it is. Everything that may name a table in another way makes the
tables not exhaustive: functions and operators that are not listed here, plugins, other clusters, control commands.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import MARK, NAME, STRING, WORD, Lexer, Node, Nodes, find_word, skip_options, split
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(
    skipped=r"//[^\n]*",
    quoted=[
        (STRING, r'[hH]?@"((?:[^"\n]|"")*)"'),
        (STRING, r"[hH]?@'((?:[^'\n]|'')*)'"),
        (STRING, r"```((?:[^`]|`(?!``))*)```"),
        (STRING, r"~~~((?:[^~]|~(?!~~))*)~~~"),
        (STRING, r'[hH]?"((?:[^"\\\n]|\\.)*)"'),
        (STRING, r"[hH]?'((?:[^'\\\n]|\\.)*)'"),
    ],
    word_characters=r"\w*",
    marks=r"==|=~|!=|!~|<\||<=|>=|=>|\.\.",
)


_PURE_OPERATORS = word_set(
    "consume count distinct extend filter getschema limit mv mvexpand order parse project render sample scan "
    "serialize sort summarize take top where reduce assert as"
)
_IMPLICIT = word_set("fork facet mv partition")
"""Operators whose operands in parentheses are pipelines without a source."""
_OPERATORS = _PURE_OPERATORS | _IMPLICIT | word_set("join lookup union find search evaluate invoke make graph")
_GENERATORS = word_set("print range datatable")
_SOURCE_FUNCTIONS = word_set("table external_table materialized_view stored_query_result")
_OUTER_FUNCTIONS = word_set("database cluster workspace app resource adx arg")
_PURE_PLUGINS = word_set(
    "bag_unpack pivot narrow autocluster basket diffpatterns rolling_percentile sliding_window_counts"
)
_NOT_FUNCTIONS = word_set(
    "and or not by on in has_any has_all between where with kind to from step of asc desc matches"
)
_FUNCTIONS = word_set(
    "abs ago arg_max arg_min array_concat array_index_of array_length array_slice array_sort_asc array_sort_desc "
    "array_sum avg avgif bag_keys bag_merge bag_pack base64_decode_tostring base64_encode_tostring bin bin_at case "
    "ceiling coalesce column_ifexists count count_distinct countif countof datetime datetime_add datetime_diff "
    "datetime_part dayofmonth dayofweek dayofyear dcount dcountif dynamic endofday endofmonth endofweek endofyear exp "
    "extract extract_all extractjson floor format_bytes format_datetime format_timespan gettype guid hash hash_sha256 "
    "hourofday iff iif indexof int isempty isfinite isnan isnotempty isnotnull isnull isascii log log10 log2 long "
    "make_bag make_datetime make_list make_list_if make_set make_set_if make_timespan max max_of maxif min min_of "
    "minif monthofyear next not now pack pack_all pack_array parse_ipv4 parse_json parse_path parse_url "
    "parse_urlquery parse_user_agent parse_version percentile percentiles percentilesw percentilew pow prev rand "
    "range real repeat replace_regex replace_string reverse round row_cumsum row_number row_rank series_stats "
    "set_difference set_has_element set_intersect set_union sign split sqrt startofday startofmonth startofweek "
    "startofyear stdev stdevif strcat strcat_array strcat_delim string strlen strrep substring sum sumif take_any "
    "take_anyif any tobool todatetime todecimal todouble todynamic toguid tohex toint tolong tolower toreal tostring "
    "totimespan toupper translate trim trim_end trim_start typeof unixtime_milliseconds_todatetime "
    "unixtime_seconds_todatetime url_decode url_encode variance week_of_year zip timespan bool decimal double "
    "ipv4_is_match ipv4_is_private has_any_index"
)


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a query or control command; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    reader = _Reader(text)
    if nodes[0].is_mark("."):
        return reader.command(nodes[1:])
    for statement in split(nodes, ";"):
        if statement:
            reader.statement(statement)
    return reader.sources.analysis() if reader.is_understood else None


class _Reader:
    def __init__(self, text: str) -> None:
        self.sources = Sources(text)
        self.is_understood = True
        self._defined: set[str] = set()

    def statement(self, nodes: Nodes) -> None:
        first = nodes[0].word
        if first == "let" and len(nodes) > 3 and nodes[2].is_mark("="):
            self._define(nodes[1], nodes[3:])
        elif first in ("alias", "restrict", "pattern", "declare"):
            self.sources.reach_more()
        elif first != "set":
            self._pipeline(nodes)

    def _define(self, name: Node, value: Nodes) -> None:
        body = value[1:] if value[0].word == "view" else value
        if len(body) == 2 and body[0].kind == "(" and body[1].kind == "{":
            outer = self._defined.copy()
            self._defined.update(node.text for node in body[0].nodes if node.kind == WORD)
            for statement in split(body[1].nodes, ";"):
                if statement:
                    self.statement(statement)
            self._defined = outer
        elif _is_tabular(value):
            self._pipeline(value)
        else:
            self._expression(value)
        self._defined.add(name.text)

    def _pipeline(self, nodes: Nodes) -> None:
        source, *operators = split(nodes, "|")
        self._source(source)
        for operator in operators:
            self._operator(operator)

    def _source(self, nodes: Nodes) -> None:
        first = nodes[0].word if nodes else ""
        if first in ("union", "find", "search"):
            self._operator(nodes, is_first=True)
        elif first in _GENERATORS and len(nodes) > 1 and not nodes[1].is_mark("."):
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
        if parts and (len(parts) > 1 or parts[0] not in self._defined):
            self.sources.add(".".join(parts))
        return nodes[at:]

    def _call(self, function: Node, arguments: Nodes, parts: list[str]) -> None:
        """Read a call in a place of a table; add the names that it gives to `parts`."""
        name = function.word
        literal = arguments[0].text if len(arguments) == 1 and arguments[0].kind == STRING else None
        if name in ("database", *_SOURCE_FUNCTIONS) and literal is not None:
            parts.append(literal)
        elif name in ("materialize", "toscalar", "view"):
            self._pipeline(arguments)
        else:
            is_defined = function.text in self._defined
            if not is_defined:
                self.sources.reach_more()
                self.is_understood = self.is_understood and not parts
            if name not in _OUTER_FUNCTIONS:
                self._expression(arguments, may_name_tables=is_defined)

    def _operator(self, nodes: Nodes, *, is_first: bool = False) -> None:
        name = nodes[0].word if nodes else ""
        rest = nodes[1:]
        if name in ("join", "lookup"):
            operand = skip_options(rest)
            self._expression(self._reference(operand) if operand else ())
        elif name == "union":
            for operand in split(skip_options(rest), ","):
                if not operand or self._reference(operand):
                    self.sources.reach_more()
        elif name in ("find", "search"):
            self._search(skip_options(rest), is_first=is_first)
        elif name in _IMPLICIT:
            self._implicit(rest)
        elif name == "evaluate":
            plugin = skip_options(rest)
            if not plugin or plugin[0].word not in _PURE_PLUGINS:
                self.sources.reach_more()
            self._expression(plugin[1:])
        else:
            if name not in _PURE_OPERATORS and not (name == "make" and len(nodes) > 2 and nodes[2].word == "series"):
                self.sources.reach_more()
            self._expression(rest)

    def _search(self, nodes: Nodes, *, is_first: bool) -> None:
        at = find_word(nodes, "in")
        if at <= 1 and at + 1 < len(nodes) and nodes[at + 1].kind == "(":
            for operand in split(nodes[at + 1].nodes, ","):
                if not operand or self._reference(operand):
                    self.sources.reach_more()
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
            is_call = at > 0 and _is_call(nodes[at - 1]) and first not in _OPERATORS
            if node.kind == "{":
                self._pipeline(node.nodes)
            elif node.kind == "(" and (not is_call or any(one.is_mark("|") for one in node.nodes)):
                for operator in split(node.nodes, "|"):
                    self._operator(operator)
            else:
                others.append(node)
        self._expression(others)

    def _expression(self, nodes: Nodes, *, may_name_tables: bool = False) -> None:
        """Read the pipelines and calls in an expression.

        The arguments of a function that the query defines may name tables.
        """
        for at, node in enumerate(nodes):
            before = nodes[at - 1] if at else None
            if may_name_tables and (name := _name(node)) and name not in self._defined and not name[0].isdigit():
                self.sources.add(name, self.sources.possible)
            if node.kind not in ("(", "[", "{"):
                continue
            if node.kind == "(" and any(one.is_mark("|") for one in node.nodes):
                self._pipeline(node.nodes)
            elif node.kind != "(" or before is None or not _is_call(before):
                is_set = before is not None and (before.word in ("in", "has_any", "has_all") or before.is_mark("~"))
                if is_set and (name := _only_name(node)) and name not in self._defined:
                    self.sources.add(name, self.sources.possible)
                self._expression(node.nodes, may_name_tables=may_name_tables)
            elif before.word in ("toscalar", "materialize", *_SOURCE_FUNCTIONS, *_OUTER_FUNCTIONS):
                self._reference(nodes[at - 1 :])
            else:
                is_defined = before.text in self._defined
                if not is_defined and before.word not in _FUNCTIONS:
                    self.sources.reach_more()
                self._expression(node.nodes, may_name_tables=may_name_tables or is_defined)

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
            before = [node for node in nodes[:query] if _name(node) is not None]
            target = _name(before[-1])
        if target is not None:
            self.sources.write(target)
        if query + 1 < len(nodes):
            self.statement(nodes[query + 1 :])
        return self.sources.analysis(returns_rows=False)


def _name(node: Node) -> str | None:
    """Return the name in `T`, `["T"]` or `['T']`; `None` for another node."""
    if node.kind in (WORD, NAME):
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
    return before.kind == WORD and before.word not in _NOT_FUNCTIONS and not before.text.isdigit()


def _is_tabular(nodes: Nodes) -> bool:
    """Return True if the value of `let` is a table: a pipeline, or a name."""
    if any(node.kind == MARK and node.text == "|" for node in nodes):
        return True
    if len(nodes) == 1 and nodes[0].kind == "(":
        return bool(nodes[0].nodes) and _is_tabular(nodes[0].nodes)
    first = nodes[0].word
    is_source = first in (*_GENERATORS, "union", "search", "find", "externaldata", "materialize", "view")
    outer = first in (*_SOURCE_FUNCTIONS, *_OUTER_FUNCTIONS)
    is_name = len(nodes) == 1 and _name(nodes[0]) is not None and not nodes[0].text[:1].isdigit()
    return (is_source or outer or is_name) and first not in ("true", "false", "null")

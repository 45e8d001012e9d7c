"""Cypher: the labels of nodes are its tables. `MATCH` reads them, `CREATE`, `MERGE`, `SET` and `DELETE` write them.

The tables are exhaustive only if each node of a pattern has a label, itself or by its variable. A path of any length
passes through nodes of any label; procedures, `LOAD CSV` and functions with a namespace may reach anything.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import MARK, STRING, Lexer, Node, Nodes
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(comments=("//", "/*"), strings="'\"", names="`", marks=r"/\*|::|<>|<=|>=|=~|\.\.")
_READING = word_set("match optional where return with next unwind union order skip limit explain profile")
_WRITING = word_set("create merge set delete detach remove foreach drop insert")
_OTHER = word_set("call load use show start terminate copy alter grant revoke deny import export attach install")
_CLAUSES = _READING | _WRITING | _OTHER
_CHANGING = ("set", "delete", "detach", "remove")
_PATH_FUNCTIONS = ("shortestpath", "allshortestpaths")
_LABEL_MARKS = (":", "|", "&")
_MAX_LABEL_LEVELS = 1
"""Levels of parentheses in an expression of labels."""
_NOTHING = Node("", "")
_NOT_FUNCTIONS = _CLAUSES | word_set(
    "and or not xor in as by then else when case end on distinct is all any none single yield"
)


def read(text: str) -> QueryAnalysis | None:
    """Return the labels of a query; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    words = [node.word for node in nodes]
    if _CLAUSES.isdisjoint(words):
        return None
    reader = _Reader(text)
    reader.read(nodes)
    returns_rows = None if "call" in words or "show" in words else "return" in words
    return reader.sources.analysis(returns_rows=returns_rows, is_plan=words[0] == "explain")


class _Reader:
    def __init__(self, text: str) -> None:
        self.sources = Sources(text)
        if "\\" in text or "``" in text:
            self.sources.reach_more()  # escapes may stand for any character, also outside strings
        self._labels: dict[str, list[str]] = {}
        """The labels of each variable."""
        self._bound: set[str] = set()
        """The variables in scope that have a label."""

    def read(self, nodes: Nodes, *, is_write: bool = False) -> None:
        """Read clauses, or the inside of a group."""
        clause = ""
        for at, node in enumerate(nodes):
            before = nodes[at - 1] if at else _NOTHING
            if node.word and not before.is_mark(".") and not before.is_mark(":"):
                if node.word in _CLAUSES:
                    clause = node.word
                    is_write = clause in _WRITING
                    self._begin_clause(clause, is_first=at == 0)
                elif clause in _CHANGING:
                    self._write_variable(node)
            elif node.kind == "(":
                self._group(node, before, clause, is_write=is_write)
                if before.word == "table_info" and len(node.nodes) == 1 and node.nodes[0].kind == STRING:
                    self.sources.add(node.nodes[0].text)
                if at > 1 and nodes[at - 2].is_mark("."):
                    self.sources.reach_more()  # a function or procedure with a namespace
            elif node.is_mark(";"):
                self._bound.clear()
            elif _is_repetition(node, before):
                self.sources.reach_more()
            if node.nodes:
                bound = self._bound.copy()
                self.read(node.nodes, is_write=is_write)
                self._bound = bound

    def _begin_clause(self, clause: str, *, is_first: bool) -> None:
        if clause in _WRITING or clause in _OTHER:
            self.sources.reach_more()
        if clause in ("union", "with", "next"):
            self._bound.clear()
        if clause == "show" and is_first:
            self.sources.lists_names = True

    def _group(self, group: Node, before: Node, clause: str, *, is_write: bool) -> None:
        """Read a group that may be the pattern of a node, `(n:Person {name: 'a'})`, an expression or arguments."""
        nodes = group.nodes
        variable = nodes[0].text if nodes and nodes[0].is_identifier else ""
        rest = nodes[1:] if variable else nodes
        is_match = clause in ("match", "optional")
        is_function = before.is_identifier and before.word not in _NOT_FUNCTIONS
        if rest and rest[0].is_mark(":"):
            labels = self._read_labels(rest)
            if variable:
                self._labels.setdefault(variable, []).extend(labels)
                self._bound.update((variable,) if is_match or is_write else ())
            for label in labels:
                self.sources.add(label, self.sources.written if is_write else None)
        elif is_function:
            if is_match and before.word not in _PATH_FUNCTIONS:
                self.sources.reach_more()
        elif rest and rest[0].word == "is" and variable:
            self.sources.reach_more()  # `(n IS Person)`
        elif (not rest or rest[0].kind == "{" or rest[0].word == "where" or is_match) and variable not in self._bound:
            self.sources.reach_more()

    def _read_labels(self, nodes: Nodes, depth: int = 0) -> list[str]:
        """Return the labels in `:A`, `:A:B`, `:A|B`, `:A&B`."""
        labels = []
        for at, node in enumerate(nodes):
            if node.is_identifier and not nodes[at - 1].is_identifier:
                labels.append(node.text)
            elif node.kind == "(" and depth < _MAX_LABEL_LEVELS:
                labels.extend(self._read_labels((Node(MARK, ":"), *node.nodes), depth + 1))
            elif node.kind != MARK or node.text not in _LABEL_MARKS:
                if node.kind != "{" and node.word != "where":
                    self.sources.reach_more()
                break
        return labels

    def _write_variable(self, node: Node) -> None:
        for label in self._labels.get(node.text, ()):
            self.sources.write(label)


def _is_repetition(node: Node, before: Node) -> bool:
    """Return True for the length of a path, as in `[*1..3]`, `->+` and `->{1,3}`: it passes through other nodes."""
    if node.kind == "[":
        return any(one.is_mark("*") for one in node.nodes)
    is_after_arrow = before.is_mark(">") or before.is_mark("-")
    return is_after_arrow and (node.kind == "{" or node.is_mark("*") or node.is_mark("+"))

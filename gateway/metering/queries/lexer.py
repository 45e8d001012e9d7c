"""Splits queries into words, names, strings and marks, and nests them by brackets.

- A text is read once, from left to right, by one regular expression without nested quantifiers.
- A text with an unclosed string, comment or bracket is rejected, never guessed at.
- Bounded: `MAX_QUERY_CHARACTERS`, `MAX_QUERY_TOKENS`, `MAX_QUERY_LEVELS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

MAX_QUERY_CHARACTERS = 8_000
"""Characters of a query; a longer one is not read."""
MAX_QUERY_TOKENS = 2_000
"""Words, names, strings and marks of a query."""
MAX_QUERY_LEVELS = 30
"""Levels of nested brackets."""

WORD = "word"
NAME = "name"
"""A quoted identifier; `text` is without its quotes."""
STRING = "string"
"""`text` is without its quotes."""
MARK = "mark"
"""Any other character."""
REGEX = "regex"

LINE_COMMENT = r"//[^\n]*"
BLOCK_COMMENT = r"/\*(?:[^*]|\*(?!/))*\*/"
_COMMENTS = {"//": LINE_COMMENT, "--": r"--[^\n]*", "/*": BLOCK_COMMENT, "```": r"```(?:[^`]|`(?!``))*```"}
_QUOTED = {
    '"': r'"((?:[^"\\]|\\.)*)"',
    "'": r"'((?:[^'\\]|\\.)*)'",
    '"""': r'"""((?:[^"]|"(?!""))*)""""{0,2}',
    "`": r"`([^`]*)`",
}

_CLOSING = {")": "(", "]": "[", "}": "{"}
_OPENING = frozenset(_CLOSING.values())
_ODD_CHARACTERS = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x85\u2028\u2029\u0130\u212a]")
"""Characters that end a line in some engines and not in others, and letters whose lower case is in ASCII."""


class Node(msgspec.Struct, frozen=True, gc=False):
    """A token, or a group in brackets: `kind` is then the opening bracket and `nodes` are inside."""

    kind: str
    text: str
    nodes: tuple[Node, ...] = ()
    word: str = ""
    """The word in lower case; empty if this is no word."""

    @property
    def is_identifier(self) -> bool:
        return self.kind in (WORD, NAME)

    def is_mark(self, mark: str) -> bool:
        """Return True if this is the mark."""
        return self.kind == MARK and self.text == mark


Nodes = Sequence[Node]


class Lexer:
    """The tokens of one language.

    `comments` are their openings. `strings` and `names` are the quotes of strings and of identifiers, the longest
    first; `literals` are patterns of further strings, with one group for the text inside. A word may contain the
    characters of `word_characters`. `marks` are those of several characters.
    """

    def __init__(
        self,
        *,
        comments: Iterable[str] = (),
        strings: Iterable[str] = (),
        names: Iterable[str] = (),
        literals: Iterable[str] = (),
        word_characters: str = r"\w",
        marks: str = "",
        before_regex: frozenset[str] = frozenset(),
    ) -> None:
        patterns = [(STRING, pattern) for pattern in (*literals, *map(_QUOTED.__getitem__, strings))]
        patterns += [(NAME, _QUOTED[quote]) for quote in names]
        skipped = "|".join([r"\s+", *map(_COMMENTS.__getitem__, comments)])
        alternatives = [rf"(?:{skipped})", *(pattern for _, pattern in patterns), rf"([{word_characters}]+)"]
        self._pattern = re.compile("|".join([*alternatives, rf"({marks}|.)" if marks else "(.)"]), re.DOTALL)
        self._kinds = ("", *(kind for kind, _ in patterns), WORD, MARK)
        self._before_regex = before_regex

    def tokens(self, text: str) -> list[Node] | None:
        """Split `text`; `None` if it is unreadable or beyond a bound."""
        if len(text) > MAX_QUERY_CHARACTERS:
            return None
        found: list[Node] = []
        at = 0
        match = self._pattern.match
        while at < len(text):
            if text[at] == "/" and self._before_regex and self._may_begin_regex(found):
                regex = _REGEX.match(text, at)
                if regex is None:
                    return None
                found.append(Node(REGEX, regex[0]))
                at = regex.end()
                continue
            token = match(text, at)
            if token is None or token.end() == at:
                return None
            at = token.end()
            if group := token.lastindex:
                kind, value = self._kinds[group], token[group]
                if kind == MARK and value in _UNCLOSED:
                    return None
                found.append(Node(kind, value, (), value.lower()) if kind == WORD else Node(kind, value))
                if len(found) > MAX_QUERY_TOKENS:
                    return None
        return found

    def parse(self, text: str) -> list[Node] | None:
        """Split `text` and nest the groups in brackets; `None` if it is unreadable or beyond a bound."""
        tokens = self.tokens(text)
        return None if tokens is None else _nested(tokens)

    def _may_begin_regex(self, before: list[Node]) -> bool:
        last = before[-1] if before else None
        return last is not None and last.text.lower() in self._before_regex and last.kind in (WORD, MARK)


_REGEX = re.compile(r"/(?:[^/\\\n]|\\.)+/")
_UNCLOSED = frozenset(("'", '"', "`", "/*"))


def _nested(tokens: list[Node]) -> list[Node] | None:
    levels: list[tuple[str, list[Node]]] = [("", [])]
    for token in tokens:
        if token.kind != MARK:
            levels[-1][1].append(token)
        elif token.text in _OPENING:
            if len(levels) > MAX_QUERY_LEVELS:
                return None
            levels.append((token.text, []))
        elif token.text in _CLOSING:
            bracket, inside = levels.pop()
            if bracket != _CLOSING[token.text]:
                return None
            levels[-1][1].append(Node(bracket, "", tuple(inside)))
        else:
            levels[-1][1].append(token)
    return levels[0][1] if len(levels) == 1 else None


def split(nodes: Nodes, *marks: str) -> list[Nodes]:
    """Split `nodes` at the marks that are not inside a group."""
    parts: list[Nodes] = []
    start = 0
    for at, node in enumerate(nodes):
        if node.kind == MARK and node.text in marks:
            parts.append(nodes[start:at])
            start = at + 1
    parts.append(nodes[start:])
    return parts


def find_word(nodes: Nodes, *words: str) -> int:
    """Return the position of the first of the words outside a group; the length of `nodes` if there is none."""
    return next((at for at, node in enumerate(nodes) if node.kind == WORD and node.word in words), len(nodes))


def skip_options(nodes: Nodes) -> Nodes:
    """Return `nodes` without leading options such as `kind=inner` and `hint.strategy=shuffle`."""
    at = 0
    while at < len(nodes) and nodes[at].kind == WORD:
        equals = at + 1
        while equals + 1 < len(nodes) and nodes[equals].is_mark(".") and nodes[equals + 1].kind == WORD:
            equals += 2
        if equals + 1 >= len(nodes) or not nodes[equals].is_mark("="):
            break
        at = equals + 2
    return nodes[at:]


def reads_alike(text: str) -> bool:
    """Return False if engines may read `text` differently: odd line ends, or letters with several lower cases."""
    return _ODD_CHARACTERS.search(text) is None and (text.isascii() or text.casefold() == text.lower())

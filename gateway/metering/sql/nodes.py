"""The nodes of a parsed statement by their type: the tree is walked once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from sqlglot import exp

_Node = TypeVar("_Node", bound=exp.Expr)


class Nodes:
    """The nodes of the tree of a statement."""

    def __init__(self, statement: exp.Expr) -> None:
        self._by_type: dict[type[exp.Expr], list[exp.Expr]] = {}
        for node in statement.walk():
            self._by_type.setdefault(type(node), []).append(node)

    def of(self, *types: type[_Node]) -> Iterator[_Node]:
        """Yield the nodes of the types and of their subclasses."""
        for kind, nodes in self._by_type.items():
            if issubclass(kind, types):
                yield from nodes  # type: ignore[misc]

    def has(self, *types: type[exp.Expr]) -> bool:
        """Return True if there is a node of the types."""
        return any(issubclass(kind, types) for kind in self._by_type)

"""A terminal that answers questions."""

from __future__ import annotations

import io
import os
import signal
import sys

import pytest


class Terminal(io.StringIO):
    """Text that is read or written as on a terminal."""

    def isatty(self) -> bool:
        return True


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the standard input be a terminal on which somebody answers."""
    monkeypatch.setattr(sys, "stdin", Terminal(text))


def interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the standard input be a terminal on which somebody presses Ctrl-C."""

    def press_ctrl_c() -> str:
        signal.raise_signal(signal.SIGINT)
        return "\n"

    answer(monkeypatch, "")
    monkeypatch.setattr(sys.stdin, "readline", press_ctrl_c)


def without_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the standard input be empty and no terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


def screen_of(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """Let the terminal have so many lines."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback=(80, 24): os.terminal_size((80, lines)))

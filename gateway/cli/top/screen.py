"""A full screen on a terminal that is drawn again and again, until `q` or Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

_MIN_NAME_WIDTH = 6


class Frame(NamedTuple):
    """One state of the screen."""

    status: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The first one is the total."""
    name_columns: int
    """Columns that are aligned left and shortened where they do not fit."""
    optional: Sequence[str] = ()
    """Titles of columns that are left out, in this order, where the terminal is too narrow for the names."""


class Screen:
    """The alternate screen of a terminal; what was there before comes back at the end."""

    def __init__(self, live: Live, quit_pressed: asyncio.Event, interrupted: asyncio.Event) -> None:
        self._live = live
        self._quit = quit_pressed
        self._interrupted = interrupted

    def show(self, frame: Frame) -> None:
        """Draw a frame; lines below the end of the terminal are not drawn."""
        self._live.update(_layout(frame, self._live.console.width), refresh=True)

    async def wait(self, seconds: float) -> bool:
        """Wait. Return True as soon as `q` is pressed; raise `KeyboardInterrupt` after Ctrl-C."""
        if self._interrupted.is_set():
            raise KeyboardInterrupt
        try:
            await asyncio.wait_for(self._quit.wait(), seconds)
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def full_screen() -> AsyncIterator[Screen]:
    """Use the whole terminal."""
    quit_pressed, interrupted = asyncio.Event(), asyncio.Event()
    with (
        Live(console=Console(highlight=False), screen=True, auto_refresh=False, vertical_overflow="crop") as live,
        _keys(quit_pressed),
        _cancelled_by_interrupt(interrupted),
    ):
        yield Screen(live, quit_pressed, interrupted)


@contextmanager
def _cancelled_by_interrupt(interrupted: asyncio.Event) -> Iterator[None]:
    """Cancel the task at Ctrl-C, set the event, and raise `KeyboardInterrupt`.

    The event is needed because on Python 3.11 a Redis command that completes in the same moment swallows the
    cancellation.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupt() -> None:
        interrupted.set()
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        if interrupted.is_set():
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def _keys(quit_pressed: asyncio.Event) -> Iterator[None]:
    """Set the event when `q` is pressed, without Enter and without echo; not if standard input is no terminal."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        pressed = os.read(descriptor, 64)
        if not pressed or b"q" in pressed.lower():
            loop.remove_reader(descriptor)
            quit_pressed.set()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _layout(frame: Frame, width: int) -> Group:
    names = frame.name_columns
    numbers = _numbers(frame, width - names * (_MIN_NAME_WIDTH + 1))
    # The columns share what the numbers leave, so that a long name hides none of them.
    share = max(_MIN_NAME_WIDTH, (width - sum(numbers.values())) // names - 1)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="reverse")
    for title in frame.header[:names]:
        table.add_column(title, no_wrap=True, overflow="ellipsis", max_width=share)
    for column in numbers:
        table.add_column(frame.header[column], justify="right", no_wrap=True)
    for number, row in enumerate(frame.rows):
        cells = (*row[:names], *(row[column] for column in numbers))
        # Text objects: names may look like markup.
        table.add_row(*(Text(cell) for cell in cells), style="bold" if number == 0 else None)
    return Group(Text(frame.status, no_wrap=True, overflow="ellipsis"), Text(), table)


def _numbers(frame: Frame, room: int) -> dict[int, int]:
    """Return the columns of numbers to show, with the room that each takes; optional ones only as far as they fit."""
    lines = [frame.header, *frame.rows]
    widths = {
        column: max(len(line[column]) for line in lines) + 1 for column in range(frame.name_columns, len(frame.header))
    }
    for title in frame.optional:
        if sum(widths.values()) <= room:
            break
        del widths[frame.header.index(title)]
    return widths

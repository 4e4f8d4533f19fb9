"""A result as a page: lines and tables. Owns how rich draws them, and how wide.

On a terminal a cell that is too wide goes on below itself, and what needs a person has
a colour. A pipe gets each row on one line, as plain text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import ClassVar, TextIO, TypeVar

from rich.console import Console, Group
from rich.highlighter import RegexHighlighter
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.theme import Theme

Part = str | Padding
Page = Sequence[Part]
"""Lines, and tables in their indent."""

Result = TypeVar("Result")

_PIPE_COLUMNS = 1_000_000
"""No row is that wide: what reads a pipe takes rows apart by lines."""


class _Signs(RegexHighlighter):
    """What is wrong, in words that messages write in capitals, and the signs."""

    highlights: ClassVar[list[str]] = [
        r"(?P<bad>\b(CRITICAL|NOT CONFIRMED|NOT RUNNING|NOT ALLOWED|LOST|PAUSED)\b)",
        r"^(?P<unsure>UNKNOWN|warning)$",
        r"^((?P<good>✓)|(?P<bad>✗|blocks(?=  ))|(?P<unsure>[?…]))(?= |$)",
    ]


_COLOURS = Theme({"good": "green", "bad": "bold red", "unsure": "yellow"})


def columns(rows: Iterable[Sequence[str]], indent: int = 2) -> Page:
    """Rows with their cells under each other, as a part of a page; none for no row."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.highlight = True
    for row in rows:
        table.add_row(*row)
    for column in table.columns:
        column.overflow = "fold"
    return [Padding.indent(table, indent)] if table.rows else []


def console_of(stream: TextIO) -> Console:
    """The stream as rich writes to it; without colour where NO_COLOR says so."""
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
        width=None if terminal else _PIPE_COLUMNS,
        highlighter=_Signs(),
        theme=_COLOURS,
        markup=False,
        emoji=False,
    )


def text_of(page: Page) -> str:
    """The page as a pipe gets it."""
    return drawn(page, console_of(StringIO()))


def drawn(page: Page, console: Console) -> str:
    """The page as that console shows it, without blanks at the ends of lines.

    A line is left to the terminal to break, so that a command in it can be copied.
    """
    with console.capture() as taken:
        for part in page:
            console.print(part, soft_wrap=isinstance(part, str))
    lines = (line.rstrip() for line in taken.get().split("\n"))
    return "\n".join(lines).rstrip("\n")


def write(page: Page, stream: TextIO) -> None:
    """Print it."""
    stream.write(drawn(page, console_of(stream)) + "\n")
    stream.flush()


@contextmanager
def redrawn(
    stream: TextIO, page_of: Callable[[Result], Page]
) -> Iterator[Callable[[Result], None]]:
    """Shows one page after the other: on a terminal in the same place.

    There the end of one that is too long is left out until the last one stays.
    """
    console = console_of(stream)
    if not console.is_terminal:
        yield lambda result: write(page_of(result), stream)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda result: live.update(Group(*page_of(result)), refresh=True)

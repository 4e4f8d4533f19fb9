"""Printing a verb's result. Owns the choice between text and JSON.

stdout is the result and nothing else goes there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from bluegreen.report.page import Page

Result = TypeVar("Result")


def show(
    result: Result, *, as_json: bool, page: Callable[[Result], Page] | None = None
) -> None:
    """Print a result to stdout, as text or as one line of JSON.

    Args:
        result: what the verb answers with.
        as_json: JSON instead of text.
        page: how this result reads; the page that its type has if None.
    """
    if as_json:
        from bluegreen.report.json_result import dump

        sys.stdout.write(dump(result) + "\n")
        sys.stdout.flush()
        return
    from bluegreen.report.page import write
    from bluegreen.report.results_text import page_of

    write((page or page_of)(result), sys.stdout)


@contextmanager
def shown_again(*, as_json: bool) -> Iterator[Callable[[Any], None]]:
    """Shows one result after the other, on a terminal in the same place."""
    if as_json:
        yield lambda result: show(result, as_json=True)
        return
    from bluegreen.report.page import redrawn
    from bluegreen.report.results_text import page_of

    with redrawn(sys.stdout, page_of) as draw:
        yield draw

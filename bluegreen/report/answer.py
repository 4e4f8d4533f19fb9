"""Printing a verb's result. Owns the choice between text and JSON.

stdout is the result and nothing else goes there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def show(
    result: Result, *, as_json: bool, text: Callable[[Result], str] | None = None
) -> None:
    """Print a result to stdout, as text or as one line of JSON.

    Args:
        result: what the verb answers with.
        as_json: JSON instead of text.
        text: how this result reads; the text that `text.py` has for its type if None.
    """
    if as_json:
        from bluegreen.report.json_result import dump

        printed = dump(result)
    elif text is not None:
        printed = text(result)
    else:
        from bluegreen.report.text import text_of

        printed = text_of(result)
    sys.stdout.write(printed.rstrip("\n") + "\n")
    sys.stdout.flush()

"""The terminal's screen. Owns clearing it between two looks."""

from __future__ import annotations

import sys

_HOME_AND_CLEAR = "\x1b[H\x1b[2J"


def clear() -> None:
    """Empty the screen when stdout is one; a pipe gets one text after the other."""
    if sys.stdout.isatty():
        sys.stdout.write(_HOME_AND_CLEAR)

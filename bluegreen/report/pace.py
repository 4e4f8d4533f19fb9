"""How often the same thing is told again. Owns that one rule."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

FIRST_AGAIN_S = 10.0
"""A reader of a log sees within seconds that a wait lives …"""

LAST_AGAIN_S = 600.0
"""… and a wait of days for a person does not fill the disk."""

_FIGURES = re.compile(r"[\d.,]+")


class Pace:
    """Lets a thing through when its words changed, and ever more seldom when not.

    Other figures are not other words.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told: dict[str, tuple[str, float, float]] = {}

    def is_due(self, what: str, words: str) -> bool:
        """Whether to tell it now; remembers that it was."""
        now, words = self._monotonic(), _FIGURES.sub("0", words)
        known, due, again = self._told.get(what, ("", now, FIRST_AGAIN_S))
        if known != words:
            due, again = now, FIRST_AGAIN_S
        if now < due:
            return False
        self._told[what] = (words, now + again, min(2 * again, LAST_AGAIN_S))
        return True

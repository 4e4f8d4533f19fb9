"""Who shows a run's events: the choice between a terminal, plain lines and JSON.

Owns the choice and the protocol. Each form has its file.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

from bluegreen.engine.events import Event


class Teller(AbstractContextManager["Teller"], Protocol):
    """Takes events; shows them on stderr while it is open."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        ...


def make_teller(form: str) -> Teller:
    """For `text`, `json`, or `auto`: a terminal gets text, anything else JSON."""
    terminal = sys.stderr.isatty()
    if form == "json" or (form == "auto" and not terminal):
        from bluegreen.report.events import EventLog

        return EventLog(sys.stderr)
    if terminal:
        from bluegreen.report.terminal import Terminal

        return Terminal(sys.stderr)
    from bluegreen.report.lines import Lines

    return Lines(sys.stderr)

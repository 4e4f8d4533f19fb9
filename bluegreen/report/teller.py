"""Who shows a run's events: the choice between a terminal, plain lines and JSON.

Owns the choice and the protocol. Each form has its file.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, Protocol, Self

from bluegreen.engine.events import Event


class Teller(AbstractContextManager["Teller"], Protocol):
    """Takes events; shows them on stderr while it is open."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        ...


def make_teller(form: str) -> Teller:
    """For `text` or `json`; in words, a terminal has a live line as well."""
    if form == "text" and sys.stderr.isatty():
        from bluegreen.report.terminal import Terminal

        return Terminal(sys.stderr)
    from bluegreen.report.events import EventLog

    return EventLog(sys.stderr, as_json=form == "json")


class InTurn:
    """One event at a time: the monitors tell from a thread of their own."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._teller.__enter__()
        return self

    def __exit__(self, *told: Any) -> bool | None:
        return self._teller.__exit__(*told)

    def __call__(self, event: Event) -> None:
        """Show one event when the one before has been shown."""
        with self._lock:
            self._teller(event)

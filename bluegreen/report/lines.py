"""Events as plain lines for a person who reads a file. Owns their words."""

from __future__ import annotations

from typing import Self, TextIO

from bluegreen.engine.events import (
    ActionDone,
    ActionSatisfied,
    ActionStarted,
    ActionWaits,
    Event,
    MonitorChanged,
    RunEnded,
    RunStarted,
    StopAsked,
)
from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.progress import Progress
from bluegreen.report.pace import Pace


class Lines:
    """Writes one line for each event, and for long work one now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pace = Pace()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Write its line, unless it says what was said just now."""
        if self._is_due(event):
            self._stream.write(line_of(event) + "\n")
            self._stream.flush()

    def _is_due(self, event: Event) -> bool:
        match event:
            case ActionWaits():
                return self._pace.is_due(event.action, event.why)
            case Progress() if event.done is not None:
                return self._pace.is_due(event.what, event.text)
            case RunEnded():
                # stdout says it.
                return False
        return True


def line_of(event: Event) -> str:
    """One event in one line."""
    match event:
        case RunStarted():
            return f"{event.run} of {event.playbook}"
        case ActionSatisfied():
            return f"✓ {event.action}: {event.why}"
        case ActionStarted():
            return f"→ {event.action}: {event.why}"
        case ActionDone():
            return f"✓ {event.action}: {event.why} ({format_duration(event.seconds)})"
        case ActionWaits():
            return f"… {event.action}: {event.why}{_waited(event)}"
        case MonitorChanged():
            return _monitored(event)
        case StopAsked():
            return "stopping here, as asked"
        case RunEnded():
            return f"{event.run} ended in {format_duration(event.seconds)}"
        case Progress():
            figures = say_figures(event)
            return f"  {event.text}" + (f": {figures}" if figures else "")


def _monitored(event: MonitorChanged) -> str:
    sign = {"ok": "✓", "warning": "!", "unknown": "?"}.get(event.severity, "✗")
    blocks = "" if event.blocks == "nothing" else f" (blocks the {event.blocks})"
    fix = f". {event.fix}" if event.fix else ""
    return f"{sign} monitor {event.id}, {event.where}: {event.seen}{blocks}{fix}"


def _waited(event: ActionWaits) -> str:
    if event.seconds < 1:
        return ""
    part = f"{event.part:.0%}, " if event.part is not None else ""
    limit = (
        f" of {format_duration(event.patience_s)}"
        if event.patience_s is not None
        else ""
    )
    return f" ({part}waited {format_duration(event.seconds)}{limit})"


def say_figures(event: Progress) -> str:
    """`12,345 of 99,000 rows`, `1.2 MB of 3 GB`; nothing where no figure is known."""
    if event.done is None:
        return ""
    say = format_bytes if event.unit == "bytes" else "{:,.0f}".format
    total = f" of {say(event.total)}" if event.total else ""
    unit = "" if event.unit in {"bytes", ""} else f" {event.unit}"
    return f"{say(event.done)}{total}{unit}"

"""Events as plain lines for a person. Owns their words."""

from __future__ import annotations

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

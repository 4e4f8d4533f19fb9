"""Events as JSON lines on stderr, one object a line, for machines.

Owns the names of the events and their keys: snake_case nouns with past verbs, exact
values. The run's id is bound once.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self, TextIO

import structlog

from bluegreen.engine.events import ActionWaits, Event, RunStarted
from bluegreen.model.progress import Progress
from bluegreen.model.redact import Blotter, secrets_in_memory
from bluegreen.report.pace import Pace

NAMES = {
    "RunStarted": "run_started",
    "ActionSatisfied": "action_satisfied",
    "ActionStarted": "action_started",
    "ActionDone": "action_done",
    "ActionWaits": "action_waited",
    "MonitorChanged": "monitor_changed",
    "StopAsked": "stop_asked",
    "RunEnded": "run_ended",
}


class EventLog:
    """Writes each event as one line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._pace = Pace()
        self._blotter = Blotter(())
        self._log: Any = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                self._blot,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Write it, unless it repeats a wait that was told just now."""
        if isinstance(event, RunStarted):
            self._blotter = Blotter(secrets_in_memory())
            self._log = self._log.bind(run=event.run)
        if not self._is_due(event):
            return
        if isinstance(event, Progress):
            self._log.msg(event.what, **_figures(event))
        else:
            values = {k: v for k, v in asdict(event).items() if k != "run"}
            self._log.msg(NAMES[type(event).__name__], **values)

    def _blot(self, _: object, __: str, values: Any) -> Any:
        """No text of ours holds a secret; this is for the text of others."""
        name = values.pop("event")
        return {**self._blotter.value(values), "event": name}

    def _is_due(self, event: Event) -> bool:
        match event:
            case ActionWaits():
                return self._pace.is_due(event.action, event.why)
            case Progress() if event.done is not None:
                return self._pace.is_due(event.what, event.text)
        return True


def _figures(event: Progress) -> dict[str, object]:
    known = {"done": event.done, "total": event.total, "unit": event.unit or None}
    told = {key: value for key, value in known.items() if value is not None}
    return {"text": event.text, **told, **event.values}

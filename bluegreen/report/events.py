"""The log of a run on stderr: a line an event, in words or as a JSON object.

Owns the names of the events and their keys: snake_case nouns with past verbs, exact
values. The run's id is bound once. The words are in `lines.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self, TextIO

import structlog

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
from bluegreen.model.progress import Progress
from bluegreen.model.redact import Blotter, secrets_in_memory
from bluegreen.report.lines import line_of
from bluegreen.report.pace import Pace

NAMES: dict[type[Event], str] = {
    RunStarted: "run_started",
    ActionSatisfied: "action_satisfied",
    ActionStarted: "action_started",
    ActionDone: "action_done",
    ActionWaits: "action_waited",
    MonitorChanged: "monitor_changed",
    StopAsked: "stop_asked",
    RunEnded: "run_ended",
}


class EventLog:
    """Writes each event as one line.

    Args:
        stream: where to; each line is flushed.
        as_json: an object a line, instead of words.
        logger: what takes the lines in the stream's place.
    """

    def __init__(
        self, stream: TextIO, *, as_json: bool = False, logger: Any = None
    ) -> None:
        self._pace = Pace()
        self._blotter = Blotter(())
        self._as_json = as_json
        self._log: Any = structlog.wrap_logger(
            logger or structlog.PrintLogger(stream),
            processors=[
                self._blot,
                *(_JSON if as_json else (_line_alone,)),
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
        if self._is_due(event):
            name = event.what if isinstance(event, Progress) else NAMES[type(event)]
            told = _values(event) if self._as_json else {"line": line_of(event)}
            self._log.info(name, **told)

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
            case RunEnded():
                # In words stdout says it.
                return self._as_json
        return True


_JSON = (
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.JSONRenderer(ensure_ascii=False),
)


def _line_alone(_: object, __: str, values: Any) -> str:
    return str(values["line"])


def _values(event: Event) -> dict[str, object]:
    if isinstance(event, Progress):
        return _figures(event)
    return {k: v for k, v in asdict(event).items() if k != "run"}


def _figures(event: Progress) -> dict[str, object]:
    known = {"done": event.done, "total": event.total, "unit": event.unit or None}
    told = {key: value for key, value in known.items() if value is not None}
    return {"text": event.text, **told, **event.values}

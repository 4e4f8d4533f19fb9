"""Events on a terminal: lines that stay, and one live line for what takes a while.

Owns the live line: how much, how fast, how long still. The words of the lines are in
`lines.py`.
"""

from __future__ import annotations

from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from bluegreen.engine.events import ActionWaits, Event
from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.progress import Progress
from bluegreen.report.events import EventLog
from bluegreen.report.lines import say_figures


class KnownBar(BarColumn):
    """A bar where the end is known; an endless one says nothing."""

    def render(self, task: Task) -> ProgressBar | Text:  # type: ignore[override]
        """The column's bar, or nothing."""
        return Text("") if task.total is None else super().render(task)


class Pacing(ProgressColumn):
    """Figures, rate and the time that is left; what is not known is left out."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        # Where the line is cut, the rate goes first.
        parts = [str(task.fields.get("figures") or "")]
        if task.time_remaining is not None and task.speed:
            parts.insert(0, f"{format_duration(float(task.time_remaining))} left")
        elif task.elapsed is not None and task.elapsed >= 1:
            parts.insert(0, format_duration(float(int(task.elapsed))))
        if task.speed and task.fields.get("unit"):
            parts.append(_say_speed(task.speed, str(task.fields["unit"])))
        return Text("  ".join(part for part in parts if part))


class _AboveTheBars:
    """Takes the lines of a log, and keeps the live line below them."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def info(self, line: str) -> None:
        """Print one."""
        self._console.print(line, markup=False)


class Terminal:
    """Shows events while it is open."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, highlight=False, soft_wrap=True)
        self._log = EventLog(stream, logger=_AboveTheBars(console))
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=_rest()),
            KnownBar(bar_width=20 if console.width >= _WIDE else 8),
            Pacing(_line()),
            console=console,
            transient=True,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show it: what takes a while on the live line, all else as a line."""
        match event:
            case ActionWaits():
                self._live(event.action, f"{event.action}: {event.why}", event.part, 1)
            case Progress() if event.done is not None:
                self._live(
                    event.what,
                    event.text,
                    event.done,
                    event.total,
                    figures=say_figures(event),
                    unit=event.unit,
                )
            case Progress():
                self._log(event)
            case _:
                self._end_live()
                self._log(event)

    def _live(
        self,
        key: str,
        text: str,
        done: float | None,
        total: float | None,
        **fields: Any,
    ) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(text, total=None)
        self._bars.update(
            self._tasks[key],
            description=text,
            completed=done or 0,
            total=total if done is not None else None,
            **fields,
        )
        if total is not None and (done or 0) >= total:
            self._bars.remove_task(self._tasks.pop(key))

    def _end_live(self) -> None:
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()


_WIDE = 100
"""Columns of a terminal that has room for a long bar."""


def _rest() -> Column:
    """What the bar and the figures leave; at least enough to know what is meant."""
    return Column(no_wrap=True, overflow="ellipsis", ratio=1, min_width=20)


def _line() -> Column:
    """A cell that is cut where the terminal ends; a second line would flicker."""
    return Column(no_wrap=True, overflow="ellipsis")


def _say_speed(speed: float, unit: str) -> str:
    if unit == "bytes":
        return f"{format_bytes(speed)}/s"
    return f"{speed:,.0f} {unit}/s"

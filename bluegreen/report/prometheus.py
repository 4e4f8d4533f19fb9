"""A status as metrics in Prometheus' text form.

Owns the names, help and escaping. The form is that of the text exposition format,
version 0.0.4; node_exporter's textfile collector takes it as it is. A figure that was
not seen is left out, as 0 would be an answer.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

from bluegreen.engine.status import Status
from bluegreen.model.finding import Figure
from bluegreen.model.side import Side

PREFIX = "bluegreen_"


def show_metrics(seen: Status) -> None:
    """Print them to stdout."""
    sys.stdout.write(exposition(seen))
    sys.stdout.flush()


def exposition(seen: Status) -> str:
    """All metrics of one look, each family once and together."""
    families: dict[str, list[Figure]] = {}
    for figure in _figures(seen):
        families.setdefault(figure.name, []).append(figure)
    lines: list[str] = []
    for name, figures in families.items():
        kind = "counter" if figures[0].counter else "gauge"
        lines.append(f"# HELP {PREFIX}{name} {_escape_help(figures[0].help)}")
        lines.append(f"# TYPE {PREFIX}{name} {kind}")
        lines += dict.fromkeys(_line(seen.name, figure) for figure in figures)
    return "\n".join(lines) + "\n"


def _figures(seen: Status) -> Iterator[Figure]:
    yield from _of_traffic(seen)
    for side in seen.sides:
        text = "1 when the side was seen."
        yield Figure("side_seen", not side.problem, text, {"side": str(side.side)})
    for pointer in seen.pointers:
        at = {"pointer": pointer.id}
        yield Figure(
            "pointer_seen", not pointer.problem, "1 when the pointer was seen.", at
        )
        yield Figure(
            "pointer_paused", pointer.paused, "1 while it holds clients back.", at
        )
    for monitored in seen.monitors:
        at = {"monitor": monitored.id, "where": monitored.where}
        text = "How it stands: 0 ok, 1 info, 2 warning, 3 unknown, 4 critical."
        yield Figure("monitor_severity", monitored.severity.rank, text, at)
        text = "What it blocks: 0 nothing, 1 a switchover, 2 the run at once."
        yield Figure("monitor_blocks", monitored.blocks.rank, text, at)
        yield from monitored.figures


def _of_traffic(seen: Status) -> Iterator[Figure]:
    yield Figure("confirmed", not seen.doubts, "1 when it is sure which side serves.")
    yield Figure("doubts", len(seen.doubts), "Reasons why it is not.")
    yield Figure("epoch", seen.state.epoch, "How many moves were committed.")
    for side in Side:
        serves = seen.serving is side
        text = "1 for the side that serves; 0 for both when that is not sure."
        yield Figure("serving", serves, text, {"side": str(side)})
    move = seen.state.last_move
    opened = move is not None and move.way_back_open
    text = "1 while a rollback to blue is promised or possible."
    way_back = seen.way_back.startswith("open") and opened
    yield Figure("rollback_open", way_back, text)
    end = seen.state.window_end
    if end is not None:
        text = "When the rollback window ends, in seconds of Unix time."
        yield Figure("window_end_timestamp_seconds", end.timestamp(), text)
    if seen.at is not None:
        text = "When this was seen, by the servers' clock, in seconds of Unix time."
        yield Figure("seen_timestamp_seconds", seen.at.timestamp(), text)


def _line(playbook: str, figure: Figure) -> str:
    labels = ",".join(
        f'{name}="{_escape(value)}"'
        for name, value in {"playbook": playbook, **figure.labels}.items()
    )
    return f"{PREFIX}{figure.name}{{{labels}}} {_number(figure.value)}"


def _number(value: float) -> str:
    """As Go reads it; whole numbers without a point, so that none loses digits."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape(value: str) -> str:
    return _escape_help(value).replace('"', '\\"')

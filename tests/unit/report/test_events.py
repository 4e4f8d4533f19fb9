"""What a run tells: plain lines, JSON, and the live line of a terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest

from bluegreen.engine.events import (
    ActionDone,
    ActionSatisfied,
    ActionStarted,
    ActionWaits,
    Event,
    RunEnded,
    RunStarted,
    StopAsked,
)
from bluegreen.model.progress import Progress
from bluegreen.model.secret import Secret
from bluegreen.report.events import EventLog
from bluegreen.report.lines import line_of, say_figures
from bluegreen.report.pace import Pace
from bluegreen.report.teller import make_teller
from bluegreen.report.terminal import Terminal

ALL: list[tuple[Event, str]] = [
    (RunStarted("r-1", "shop"), "r-1 of shop"),
    (ActionSatisfied("a/b", "t", "it holds"), "✓ a/b: it holds"),
    (ActionStarted("a/b", "t", "it lacks"), "→ a/b: it lacks"),
    (ActionDone("a/b", "t", "it holds", 62.0), "✓ a/b: it holds (1 min 2 s)"),
    (ActionWaits("a/b", "t", "3 of 4", 0.75, 0.0, None), "… a/b: 3 of 4"),
    (
        ActionWaits("a/b", "t", "3 of 4", 0.75, 2.0, 60.0),
        "… a/b: 3 of 4 (75%, waited 2.0 s of 1 min 0 s)",
    ),
    (StopAsked(), "stopping here, as asked"),
    (RunEnded("r-1", 2.0, ()), "r-1 ended in 2.0 s"),
    (Progress("note", "a note"), "  a note"),
    (
        Progress("rows_copied", "copying", 12345, 99000, "rows"),
        "  copying: 12,345 of 99,000 rows",
    ),
]


@pytest.mark.parametrize(("event", "line"), ALL, ids=lambda x: type(x).__name__)
def test_every_event_has_its_line(event: Event, line: str) -> None:
    assert line_of(event) == line


def test_a_secret_in_the_words_of_others_is_blotted_out() -> None:
    held, stream = Secret("it's/secret"), io.StringIO()
    log = EventLog(stream, as_json=True)
    log(RunStarted("r-1", "shop"))
    said = f"FATAL: {held.reveal()!r} is wrong"
    log(ActionSatisfied("a/b", "t", said))
    log(Progress("note", said, values={"list": [said], "number": 1}))
    first, *others = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "run_started"
    assert others[0]["why"] == 'FATAL: "***" is wrong'
    assert others[1]["list"] == ['FATAL: "***" is wrong']
    assert others[1]["number"] == 1
    log = EventLog(stream)
    log(RunStarted("r-1", "shop"))
    log(ActionSatisfied("a/b", "t", said))
    assert stream.getvalue().endswith('✓ a/b: FATAL: "***" is wrong\n')
    assert "secret" not in stream.getvalue()


def test_figures_are_for_people() -> None:
    assert say_figures(Progress("x", "x")) == ""
    assert say_figures(Progress("x", "x", 2048, 4096, "bytes")) == "2 kB of 4 kB"
    assert say_figures(Progress("x", "x", 7, None, "tables")) == "7 tables"


class Hand:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_same_words_are_told_ever_more_seldom() -> None:
    clock = Hand()
    pace = Pace(clock)
    told = []
    for second in range(200):
        clock.now = float(second)
        if pace.is_due("a/b", f"{second} rows"):
            told.append(second)
    assert told == [0, 10, 30, 70, 150]
    assert pace.is_due("a/b", "other words")
    assert pace.is_due("c/d", "other words"), "another thing has a pace of its own"


def test_a_wait_of_days_is_told_every_ten_minutes() -> None:
    clock = Hand()
    pace = Pace(clock)
    told = []
    for minute in range(24 * 60):
        clock.now = minute * 60.0
        told += [minute] * pace.is_due("a/b", "waits")
    assert told[-1] - told[-2] == 10


def tell(teller: EventLog, *events: Event) -> None:
    with teller as open_:
        for event in events:
            open_(event)


def test_lines_leave_out_what_was_said_just_now() -> None:
    stream = io.StringIO()
    wait = ActionWaits("a/b", "t", "3 of 4", None, 0.0, None)
    copy = Progress("rows_copied", "copying", 1, 2, "rows")
    note = Progress("note", "one")
    tell(EventLog(stream), wait, wait, copy, copy, note, note, RunEnded("r-1", 1.0, ()))
    assert stream.getvalue() == (
        "… a/b: 3 of 4\n  copying: 1 of 2 rows\n  one\n  one\n"
    )


def test_json_lines_bind_the_run_once() -> None:
    stream = io.StringIO()
    wait = ActionWaits("a/b", "t", "waits", 0.5, 0.0, None)
    progress = Progress("rows_copied", "copying", 1, 2, "rows", {"table": "public.t"})
    done = ActionDone("a/b", "t", "holds", 1.25)
    tell(
        EventLog(stream, as_json=True),
        RunStarted("r-1", "shop"),
        wait,
        wait,
        progress,
        progress,
        done,
    )
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["event"] for one in told] == [
        "run_started",
        "action_waited",
        "rows_copied",
        "action_done",
    ]
    assert {one["run"] for one in told} == {"r-1"}
    assert all(one["timestamp"].endswith("Z") for one in told)
    assert (told[2]["done"], told[2]["total"], told[2]["table"]) == (1, 2, "public.t")
    assert told[3]["seconds"] == 1.25


def test_the_choice_of_form(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, form, kind in (
        (io.StringIO(), "text", EventLog),
        (io.StringIO(), "json", EventLog),
        (Screen(), "text", Terminal),
        (Screen(), "json", EventLog),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        with make_teller(form) as teller:
            teller(ActionSatisfied("a/b", "t", "holds"))
        assert isinstance(teller, kind)
        line = stream.getvalue()
        assert ("✓ a/b: holds" in line) is (form == "text"), line
        assert line.startswith("{") is (form == "json"), line


ON_A_TERMINAL = """
import time
from bluegreen.engine.events import *
from bluegreen.model.progress import Progress
from bluegreen.report.teller import make_teller
with make_teller("text") as tell:
    tell(ActionStarted("copy/rows", "t", "it lacks [bold]"))
    for done in range(0, 90, 10):
        tell(Progress("rows_copied", "copying public.item", done, 100, "rows"))
        time.sleep(0.15)
    tell(Progress("note", "a note"))
    tell(ActionDone("copy/rows", "t", "all there", 1.0))
    tell(ActionWaits("approve/yes", "t", "a person says yes", None, 0.0, None))
    time.sleep(0.3)
    tell(RunEnded("r-1", 2.0, ()))
"""


def shown_on(columns: int, script: str) -> str:
    """What a script writes to a terminal that is so wide."""
    master, slave = pty.openpty()
    environ = {"TERM": "xterm", "COLUMNS": str(columns), "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stderr=slave, env={**os.environ, **environ}
    ) as process:
        os.close(slave)
        shown = _read_all(master)
    assert process.returncode == 0
    return shown


def test_a_terminal_shows_figures_rate_and_the_time_left() -> None:
    shown = shown_on(100, ON_A_TERMINAL)
    for words in (
        "→ copy/rows: it lacks [bold]",
        "of 100 rows",
        "rows/s",
        " left",
        "  a note",
        "✓ copy/rows: all there (1.0 s)",
        "approve/yes: a person says yes",
    ):
        assert words in shown, shown


def test_a_narrow_terminal_keeps_the_figures_and_the_time_left() -> None:
    long = "public.a_table_with_a_name_that_is_as_long_as_the_server_takes_it_00"
    shown = shown_on(80, ON_A_TERMINAL.replace("public.item", long))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown).splitlines()
    [last, *_] = [line for line in reversed(lines) if "of 100 rows" in line]
    assert len(last) <= 80
    assert re.search(r"copying public\.a\w*… .* left  80 of 100 rows", last), lines


def _read_all(master: int) -> str:
    pieces = []
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(master)
    return b"".join(pieces).decode()

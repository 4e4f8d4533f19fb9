"""What verbs answer with, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from bluegreen.engine.events import RunEnded
from bluegreen.engine.plan import Passed, Plan, PlannedAction, Unseen
from bluegreen.engine.status import (
    JournalStatus,
    PointerStatus,
    SideStatus,
    Status,
    StreamStatus,
)
from bluegreen.model.accept import Accepted
from bluegreen.model.finding import checked
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.lsn import Lsn
from bluegreen.model.record import Kind, Record
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied
from bluegreen.report import page
from bluegreen.report.answer import show
from bluegreen.report.json_result import as_json, dump
from bluegreen.report.page import columns
from bluegreen.report.results import Approved, Listing, Looked, PlanResult
from bluegreen.report.results_text import page_of

T = datetime(2026, 5, 4, 1, 2, 3, tzinfo=UTC)


def record(seq: int, kind: Kind, action: str = "", **body: Any) -> Record:
    epoch = int(kind is Kind.COMMITTED)
    return Record(seq, T, kind, epoch, "r-1", action, body, "ann@db1 8")


def text_of(result: object) -> str:
    return page.text_of(page_of(result))


def plan_of(*actions: PlannedAction, missing: tuple[Hazard, ...] = ()) -> PlanResult:
    made = Plan(actions, "0123456789ab", missing)
    return PlanResult("shop.yml", made, (Hazard.STOPS_WRITES,))


MOVE = PlannedAction(
    "cutover/move",
    "green serves all clients",
    Needed("blue serves"),
    (Hazard.MOVES_TRAFFIC, Hazard.STOPS_WRITES),
)


def test_a_plan_shows_every_verdict_and_the_next_command() -> None:
    result = plan_of(
        PlannedAction("check/look", "nothing stands in the way", Satisfied("clear")),
        PlannedAction("copy/old", "", Passed("green serves")),
        PlannedAction("copy/wait", "all is copied", NotYet("3 of 4")),
        PlannedAction("copy/late", "green follows", Unseen("known later")),
        MOVE,
    )
    assert text_of(result) == (
        "plan 0123456789ab of shop.yml\n"
        "\n"
        "  ✓  check/look    nothing stands in the way: clear\n"
        "  ·  copy/old      green serves\n"
        "  …  copy/wait     all is copied: 3 of 4\n"
        "  ?  copy/late     green follows: known later\n"
        "  →  cutover/move  green serves all clients: blue serves\n"
        "\n"
        "  ✓ holds   · behind us   … run waits for it   ? can be looked at once "
        "earlier actions are done   → run acts on it\n"
        "\n"
        "hazards\n"
        "  MOVES_TRAFFIC  allowed  clients are sent to the other side (cutover/move)\n"
        "  STOPS_WRITES   allowed  writes wait for the length of the pause "
        "(cutover/move)\n"
        "\n"
        "run exactly this: bluegreen run shop.yml --plan 0123456789ab"
    )
    assert result.exit_status == 0


def test_a_plan_that_is_not_allowed_gives_the_line_to_add() -> None:
    result = plan_of(MOVE, missing=(Hazard.MOVES_TRAFFIC,))
    text = text_of(result)
    assert "  MOVES_TRAFFIC  NOT ALLOWED  clients are sent" in text
    assert text.endswith(
        "`bluegreen run` would refuse; if it is meant, put into the playbook:\n"
        "  allow: [MOVES_TRAFFIC, STOPS_WRITES]"
    )
    assert result.exit_status == 2


def test_a_refusal_in_a_plan_is_shown_as_its_error() -> None:
    no = Refused(3004, "green is not empty", seen="3 tables", hint="empty it")
    result = plan_of(PlannedAction("copy/look", "green is empty", no))
    assert text_of(result).endswith(
        "`bluegreen run` would stop at copy/look:\n"
        "error BG-3004: green is not empty\n  seen:    3 tables\n  hint:    empty it"
    )
    assert result.exit_status == 3


def test_a_plan_with_nothing_left() -> None:
    done = PlannedAction("check/look", "clear", Satisfied("clear"))
    assert text_of(plan_of(done)).endswith("nothing is left to do")


@pytest.mark.parametrize(
    ("acted", "said"),
    [
        ((), "Nothing had to be changed"),
        (("a/b",), "1 action ran"),
        (("a/b", "c/d"), "2 actions ran"),
    ],
)
def test_the_end_of_a_run(acted: tuple[str, ...], said: str) -> None:
    ended = RunEnded("r-1", 62.0, acted)
    assert text_of(ended) == f"Done in 1 min 2 s (r-1). {said}."
    assert text_of(replace(ended, waiting="noon")).endswith("\nleft to time: noon")


def test_an_approval_and_one_given_before() -> None:
    yes = Approved("approve", "ann", T, new=True)
    assert text_of(yes) == "approved approve as ann at 2026-05-04 01:02:03 UTC"
    assert text_of(replace(yes, new=False)) == (
        "approve was approved before, by ann at 2026-05-04 01:02:03 UTC"
    )


def test_findings_say_what_blocks_and_what_mends() -> None:
    found = checked(
        "no-key", "blue", "a\nb", "rows cannot be told apart", "ALTER", blocks=True
    )
    looked = Looked((found, checked("note", "green", "x", "y")))
    assert text_of(looked) == (
        "blocks  no-key on blue\n"
        "  seen:  a\n"
        "         b\n"
        "  why:   rows cannot be told apart\n"
        "  fix:   ALTER\n"
        "\n"
        "note  note on green\n"
        "  seen:  x\n"
        "  why:   y\n"
        "\n"
        "2 findings, 1 of them blocks a run"
    )
    accepted = replace(looked, accept=(Accepted("no-key", "meant"),))
    assert text_of(accepted).startswith("accepted  no-key on blue")
    assert text_of(accepted).endswith("2 findings, none blocks")
    assert text_of(Looked(())) == "nothing was found"


def test_a_story_reads_as_one() -> None:
    records = (
        record(1, Kind.RUN_STARTED, file="/a/shop.yml", text="version: 1\nname: x\n"),
        record(2, Kind.INTENT, "a/b", why="it lacks"),
        record(3, Kind.RESULT, "a/b", rows=3, note=None, long="x" * 300),
        record(4, Kind.FAILED, "c/d", code=4004, problem="a migration failed"),
        record(5, Kind.APPROVED, step="approve", by="ann"),
    )
    lines = text_of(Listing("shop", 7, records)).splitlines()
    assert lines[0] == "(2 earlier records)"
    assert lines[1] == (
        "   1  2026-05-04 01:02:03  r-1  run started  -    "
        "run /a/shop.yml, by ann@db1 8"
    )
    assert lines[2].endswith("intent       a/b  it lacks")
    assert lines[3].endswith("…")
    assert "rows 3, long xxx" in lines[3]
    assert "note" not in lines[3]
    assert lines[4].endswith("failed       c/d  BG-4004: a migration failed")
    assert lines[5].endswith("approved     -    approve, by ann")
    assert text_of(Listing("shop", 0, ())) == "nothing was done yet for shop"


BLUE = SideStatus(Side.BLUE, "10.0.0.5:5432/shop", "", "id-b", T, 3, "open")
GREEN = SideStatus(Side.GREEN, "10.0.0.6:5432/shop", "", "id-g", T, 3, "closed")


def status(**parts: Any) -> Status:
    given: dict[str, Any] = {
        "name": "shop",
        "serving": Side.BLUE,
        "doubts": (),
        "sides": (BLUE, GREEN),
        "pointers": (PointerStatus("main", "", Side.BLUE, False, "10.0.0.5:5432"),),
        "streams": (),
        "journal": JournalStatus(0, 0),
        "state": fold([]),
        "way_back": "not needed: blue serves",
    }
    return Status(**{**given, **parts})


def test_a_calm_status() -> None:
    assert text_of(status()) == (
        "shop: blue serves, nothing has moved\n"
        "rollback: not needed: blue serves\n"
        "\n"
        "  blue   10.0.0.5:5432/shop  fence open, 3 tables\n"
        "  green  10.0.0.6:5432/shop  fence closed, 3 tables\n"
        "  pointer main  names blue (10.0.0.5:5432)\n"
        "\n"
        "journal: nothing was done yet"
    )


def test_a_status_in_doubt_says_so_first() -> None:
    away = replace(GREEN, problem="green cannot be reached", fence="")
    seen = status(
        serving=None,
        doubts=("green: green cannot be reached", "pointer 'main' holds clients back"),
        sides=(replace(BLUE, lease="'bluegreen run db1 8'", fence="none"), away),
        pointers=(
            PointerStatus("main", "", None, True, "10.9.9.9"),
            PointerStatus("second", "the console does not answer"),
        ),
    )
    text = text_of(seen)
    assert text.splitlines()[0] == (
        "shop: NOT CONFIRMED (blue serves, if the journal is right)"
    )
    for line in (
        "  doubt: green: green cannot be reached",
        "no fence, 3 tables; lease: 'bluegreen run db1 8'",
        "not seen: green cannot be reached",
        "  pointer main    names neither side (10.9.9.9), PAUSED",
        "  pointer second  not seen: the console does not answer",
    ):
        assert line in text, text


def test_a_status_after_the_cutover_tells_of_streams_and_story() -> None:
    listing = [record(1, Kind.COMMITTED, "cutover/move", to="green")]
    stream = StreamStatus("s", Side.GREEN, "", True, True, 3, 3, 2, 2048, 100)
    seen = status(
        serving=Side.GREEN,
        state=fold(listing),
        streams=(
            stream,
            replace(stream, publisher=Side.BLUE, running=False, enabled=False),
            replace(stream, running=False, kept_bytes=None, replay_lag_bytes=None),
            StreamStatus("t", Side.BLUE, "no right"),
        ),
        journal=JournalStatus(1, 1, "", tuple(listing)),
    )
    text = text_of(seen)
    for line in (
        "shop: green serves since 2026-05-04 01:02:03 UTC (epoch 1)",
        "stream green → blue  runs, 3 of 3 tables copied, replay lag 100 B, ",
        "keeps 2 kB of WAL on green, 2 errors",
        "stream blue → green  is off, 3 of 3",
        "stream green → blue  NOT RUNNING, 3 of 3 tables copied, 2 errors",
        "stream blue → green  not seen: no right",
        "journal, the last records",
        "committed  cutover/move  to green",
    ):
        assert line in text, text


def test_what_nobody_wrote_a_text_for_is_an_error() -> None:
    with pytest.raises(TypeError, match="no text for object"):
        text_of(object())


@dataclass(frozen=True)
class Everything:
    side: Side
    lsn: Lsn
    at: datetime
    span: timedelta
    secret: Secret
    some: frozenset[Hazard]


def test_json_is_exact_and_keeps_secrets() -> None:
    value = Everything(
        Side.BLUE,
        Lsn.parse("16/B374D848"),
        T,
        timedelta(milliseconds=1500),
        Secret("hunter2"),
        frozenset({Hazard.STOPS_WRITES, Hazard.MOVES_TRAFFIC}),
    )
    assert json.loads(dump(value)) == {
        "side": "blue",
        "lsn": "16/B374D848",
        "at": "2026-05-04T01:02:03+00:00",
        "span": 1.5,
        "secret": "***",
        "some": ["MOVES_TRAFFIC", "STOPS_WRITES"],
    }
    with pytest.raises(TypeError, match="object has no form in JSON"):
        as_json(object())


def test_a_plan_in_json_names_the_kind_of_each_verdict() -> None:
    told = json.loads(dump(plan_of(MOVE)))
    assert told["plan"]["actions"] == [
        {
            "id": "cutover/move",
            "title": "green serves all clients",
            "verdict": {"why": "blue serves"},
            "hazards": ["MOVES_TRAFFIC", "STOPS_WRITES"],
            "waits_for_person": False,
            "kind": "needed",
        }
    ]


def test_a_whole_status_and_story_have_a_form_in_json() -> None:
    assert json.loads(dump(status()))["serving"] == "blue"
    listing = Listing("shop", 1, (record(1, Kind.RESULT, "a/b", rows=3),))
    assert json.loads(dump(listing))["records"][0]["body"] == {"rows": 3}


def test_show_prints_to_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show(RunEnded("r-1", 1.0, (), serving="blue"), as_json=False)
    show(RunEnded("r-1", 1.0, ()), as_json=True)
    out, error = capsys.readouterr()
    first, second = out.splitlines()
    assert first == "Done in 1.0 s (r-1). Nothing had to be changed. Blue is serving."
    assert json.loads(second)["seconds"] == 1.0
    assert error == ""


def test_lines_of_a_cell_stand_under_each_other() -> None:
    rows = [("a", "one", "first\nsecond"), ("bb", "2", "x")]
    assert page.text_of(columns(rows)) == (
        "  a   one  first\n           second\n  bb  2    x"
    )


ROWS = [
    ("CRITICAL", "prepared-transactions", "a stream is off; " * 8),
    ("ok", "servers", "x"),
]


class Screen(StringIO):
    """A terminal of 80 columns that keeps what is written."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name, value in {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return Screen()


def test_a_terminal_cuts_nothing(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    command = f"bluegreen run {'x' * 90}"
    page.write([command, *columns(ROWS)], screen)
    first, *lines = screen.getvalue().splitlines()
    assert first == command  # in one piece, for a clipboard
    assert max(map(len, lines)) <= 80
    assert " ".join(screen.getvalue().split()).count("a stream is off;") == 8
    assert "\x1b" not in screen.getvalue()


def test_a_terminal_has_colours_and_a_pipe_has_none(screen: Screen) -> None:
    pipe = StringIO()
    for stream in (screen, pipe):
        page.write(columns(ROWS), stream)
    assert "\x1b[1;31mCRITICAL" in screen.getvalue()
    assert pipe.getvalue() == (
        f"  CRITICAL  prepared-transactions  {ROWS[0][2].rstrip()}\n"
        "  ok        servers                x\n"
    )


def test_a_page_that_is_drawn_again_stays_in_its_place(screen: Screen) -> None:
    with page.redrawn(screen, lambda seen: [seen, ""]) as draw:
        for seen in ("first", "second"):
            draw(seen)
    assert "\x1b[1A" in screen.getvalue()
    assert screen.getvalue().index("first") < screen.getvalue().index("second")
    pipe = StringIO()
    with page.redrawn(pipe, lambda seen: [seen]) as draw:
        draw("first")
        draw("second")
    assert pipe.getvalue() == "first\nsecond\n"

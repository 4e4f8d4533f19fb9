"""May blue go? Every reason for a no, one made-up situation each, and one yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.backups.proof import BackupProof
from bluegreen.model.history import Move, State
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.postgres.catalog.clients import ClientSession
from bluegreen.postgres.catalog.identity import Identity
from bluegreen.postgres.fence.fence import FenceFacts
from bluegreen.postgres.replication.stream import SlotFacts, SubscriptionFacts
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.release.due import AwaitWindowEnd, ReleaseFacts
from bluegreen.steps.release.end import (
    CommandFacts,
    EndFacts,
    EndWayBack,
    FinalBackupFacts,
    TakeBlueDown,
    TakeFinalBackup,
)
from bluegreen.steps.store_backup import Destination

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
BLUE = Identity("blue", "id-blue", "shop", system=111, database_oid=16384, timeline=1)
GREEN = Identity(
    "green", "id-green", "shop", system=222, database_oid=16384, timeline=1
)
MOVE = Move(
    Side.GREEN,
    "cutover/switch_traffic",
    "r-1",
    begun=NOON - DAY,
    epoch=1,
    committed=NOON - DAY,
    moved=True,
    way_back_open=True,
)
STATE = State(seq=40, epoch=1, serving=Side.GREEN, last_move=MOVE, window_end=NOON)
ON_GREEN = PointerFacts(Side.GREEN, paused=False, seen="10.0.0.6:5432/shop")
ON_BLUE = PointerFacts(Side.BLUE, paused=False, seen="10.0.0.5:5432/shop")
ON_NEITHER = PointerFacts(None, paused=False, seen="10.0.0.7:5432/shop")
STREAM = SubscriptionFacts(True, 1, 4711, 3, 3, 0)
PROOF = BackupProof(
    path=Path("/backups/shop-blue.dump"),
    toc=Path("/backups/shop-blue.dump.toc"),
    side=Side.BLUE,
    tables=(),
    held=3,
    bytes=1024,
    sha256="ab",
    lsn="0/1",
    taken_at="2026-05-03T00:00:00+00:00",
    server="16.4",
    tool="18.0",
)
GOOD = ReleaseFacts(
    state=STATE,
    now=NOON,
    blue_now=NOON,
    blue=BLUE,
    green=GREEN,
    known={"blue": "id-blue", "green": "id-green"},
    pointers={"main": ON_GREEN, "reports": ON_GREEN},
    reached={"main": "id-green", "reports": ""},
    fence=FenceFacts(tables=3, missing=0, closed=3),
    clients=(),
    forward=None,
    backup=PROOF,
    fault="",
)
PSQL = ClientSession(77, "ann", "psql", "10.0.0.9")


def state(**words: Any) -> ReleaseFacts:
    return replace(GOOD, state=replace(STATE, **words))


def blue(**words: Any) -> ReleaseFacts:
    return replace(GOOD, blue=replace(BLUE, **words))


def green(**words: Any) -> ReleaseFacts:
    return replace(GOOD, green=replace(GREEN, **words))


def good(**words: Any) -> ReleaseFacts:
    return replace(GOOD, **words)


def proof(**words: Any) -> ReleaseFacts:
    return replace(GOOD, backup=replace(PROOF, **words))


OPEN_MOVE = Move(Side.BLUE, "rollback/switch_traffic", "r-2", begun=NOON)

REFUSED: dict[str, tuple[ReleaseFacts, str]] = {
    "another database as blue": (blue(id="id-other"), "given as blue is not the blue"),
    "another database as green": (green(id="id-other"), "given as green is not the"),
    "blue never set up": (blue(side="", id=""), "given as blue is not the blue"),
    "green never set up": (green(side="", id=""), "given as green is not the green"),
    "addresses exchanged": (good(blue=GREEN, green=BLUE), "given as blue is not"),
    "exchanged, and released before": (
        replace(state(released=True), blue=GREEN, green=BLUE),
        "given as blue is not the blue",
    ),
    "another database as blue, and released before": (
        replace(state(released=True), blue=replace(BLUE, id="id-other")),
        "given as blue is not the blue",
    ),
    "green named as both": (good(blue=GREEN), "given as blue is not the blue"),
    "blue named as both": (good(green=BLUE), "given as green is not the green"),
    "blue says green under blue's id": (blue(side="green"), "given as blue is not"),
    "green says blue under green's id": (green(side="blue"), "given as green is not"),
    "one database under two identities": (
        blue(system=222),
        "blue and green are one database",
    ),
    "a physical copy, promoted": (
        good(green=replace(GREEN, system=111, timeline=2)),
        "blue and green are one database",
    ),
    "the commit record names no blue": (
        good(known={"green": "id-green"}),
        "given as blue is not the blue",
    ),
    "the commit record names no green": (
        good(known={"blue": "id-blue"}),
        "given as green is not the green",
    ),
    "the commit record names another pair": (
        good(known={"blue": "id-x", "green": "id-y"}),
        "given as blue is not the blue",
    ),
    "a move back was begun": (state(open_move=OPEN_MOVE), "a move of traffic was"),
    "a move there was begun again": (
        state(open_move=replace(OPEN_MOVE, to_side=Side.GREEN)),
        "a move of traffic was begun",
    ),
    "pointers were not seen to follow": (
        state(last_move=replace(MOVE, moved=False)),
        "the last move of traffic is not confirmed",
    ),
    "the pointer names blue": (good(pointers={"main": ON_BLUE}), "does not name green"),
    "the second of two pointers names blue": (
        good(pointers={"main": ON_GREEN, "reports": ON_BLUE}),
        "pointer reports does not name green",
    ),
    "the first of two pointers names blue": (
        good(pointers={"main": ON_BLUE, "reports": ON_GREEN}),
        "pointer main does not name green",
    ),
    "a pointer names neither side": (
        good(pointers={"main": ON_NEITHER}),
        "pointer main does not name green",
    ),
    "a client reaches blue": (
        good(reached={"main": "id-blue", "reports": ""}),
        "through pointer main does not reach green",
    ),
    "a client of the second pointer reaches blue": (
        good(reached={"main": "id-green", "reports": "id-blue"}),
        "through pointer reports does not reach green",
    ),
    "a client reaches a third database": (
        good(reached={"main": "id-third", "reports": ""}),
        "through pointer main does not reach green",
    ),
    "the pointer names blue while the window is open": (
        replace(state(window_end=NOON + DAY), pointers={"main": ON_BLUE}),
        "does not name green",
    ),
    "green's clock ran ahead": (
        good(now=NOON + DAY),
        "the clocks of blue and green are 24 h 0 min apart",
    ),
    "blue's clock stayed behind": (
        good(blue_now=NOON - timedelta(seconds=61)),
        "the clocks of blue and green are 1 min 1 s apart",
    ),
    "another name's stream is left": (
        good(leftovers=("bluegreen_shop_2_from_green on green",)),
        "another playbook's stream is still there",
    ),
    "a client is on blue": (good(clients=(PSQL,)), "1 client is connected to blue"),
    "many clients are on blue": (
        good(clients=(PSQL,) * 30),
        "30 clients are connected to blue",
    ),
    "one table of blue takes writes": (
        good(fence=FenceFacts(3, 0, 2)),
        "blue's fence is not closed",
    ),
    "a table was made on blue since": (
        good(fence=FenceFacts(4, 1, 3)),
        "blue's fence is not closed",
    ),
    "blue's fence is open": (good(fence=FenceFacts(3, 0, 0)), "fence is not closed"),
    "blue's fence was dropped": (good(fence=FenceFacts(3, 3, 0)), "fence is not clos"),
    "green still follows blue": (good(forward=STREAM), "green still follows blue"),
    "green would follow blue, its worker is down": (
        good(forward=replace(STREAM, workers=0, apply_pid=None)),
        "green still follows blue",
    ),
    "others follow blue": (good(others=("debezium",)), "something else follows blue"),
    "no backup": (good(backup=None), "there is no proved backup of blue"),
    "a backup of green": (proof(side=Side.GREEN), "there is no proved backup of blue"),
    "a backup of one table": (proof(tables=("public.t",)), "no proved backup of blue"),
    "the backup's file is gone": (
        good(fault="/backups/shop-blue.dump is not there"),
        "there is no proved backup of blue",
    ),
    "the backup's file has changed": (
        good(fault="shop-blue.dump has changed"),
        "there is no proved backup of blue",
    ),
}

WAITING: dict[str, tuple[ReleaseFacts, str]] = {
    "no cutover": (good(known={}), "no cutover was made"),
    "no cutover, empty journal": (
        good(known={}, state=State()),
        "no cutover was made",
    ),
    "rolled back": (
        state(serving=Side.BLUE, last_move=replace(MOVE, to_side=Side.BLUE, epoch=2)),
        "blue serves",
    ),
    "rolled back, an old window's end in the journal": (
        state(serving=Side.BLUE, window_end=NOON - DAY),
        "blue serves",
    ),
    "no window was opened": (state(window_end=None), "no window was opened"),
    "a second is left": (
        good(now=NOON - SECOND, blue_now=NOON),
        "the window ends at 2026-05-04 12:00:00 UTC, in 1.0 s",
    ),
    "a microsecond is left": (
        good(now=NOON - timedelta(microseconds=1)),
        "the window ends at 2026-05-04 12:00:00 UTC, in 0 ms",
    ),
    "a day is left": (
        state(window_end=NOON + DAY),
        "the window ends at 2026-05-05 12:00:00 UTC, in 24 h 0 min",
    ),
    "over by blue's clock, not by green's": (
        good(now=NOON - SECOND, blue_now=NOON + DAY),
        "the window ends at 2026-05-04 12:00:00 UTC, in 1.0 s",
    ),
    "a second is left in another zone": (
        good(now=(NOON - SECOND).astimezone(), blue_now=NOON),
        "the window ends at 2026-05-04 12:00:00 UTC, in 1.0 s",
    ),
    "the window is open and a client is on blue": (
        replace(state(window_end=NOON + DAY), clients=(PSQL,)),
        "the window ends",
    ),
    "the window is open and no backup was taken": (
        replace(state(window_end=NOON + DAY), backup=None),
        "the window ends",
    ),
}

JUDGE = AwaitWindowEnd("decommission").judge


def test_there_are_enough_situations() -> None:
    assert len(REFUSED) + len(WAITING) >= 40
    situations = [facts for facts, _ in (*REFUSED.values(), *WAITING.values())]
    assert GOOD not in situations
    assert len({repr(facts) for facts in situations}) == len(situations)


def test_the_one_good_situation_is_satisfied() -> None:
    assert JUDGE(GOOD) == Satisfied(
        "the window is over, blue is not needed, a backup is proved"
    )


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str) -> None:
    facts, why = REFUSED[name]
    verdict = JUDGE(facts)
    assert isinstance(verdict, Refused), verdict
    assert why in verdict.why
    assert verdict.code == 7002
    assert verdict.seen, "a refusal tells what was seen"
    assert verdict.wanted
    assert verdict.hint


@pytest.mark.parametrize("name", WAITING)
def test_it_waits(name: str) -> None:
    facts, why = WAITING[name]
    verdict = JUDGE(facts)
    assert isinstance(verdict, NotYet), verdict
    assert why in verdict.why


PARTS = (
    ("state", "now", "blue_now", "host_now"),
    ("blue", "green", "known"),
    ("pointers",),
    ("reached",),
    ("fence",),
    ("clients",),
    ("forward",),
    ("others",),
    ("leftovers",),
    ("backup",),
    ("fault",),
)


def test_no_fault_hides_another() -> None:
    bad = [facts for facts, _ in (*REFUSED.values(), *WAITING.values())]
    for one in bad:
        for other in bad:
            both = both_of(one, other)
            assert both.state.released or not isinstance(JUDGE(both), Satisfied)


def both_of(one: ReleaseFacts, other: ReleaseFacts) -> ReleaseFacts:
    """The one with those parts of the other that it has as in the good situation.

    What is compared with each other is one part: two clocks that are wrong alike agree.
    """
    free = [p for p in PARTS if all(getattr(one, n) == getattr(GOOD, n) for n in p)]
    return replace(one, **{n: getattr(other, n) for part in free for n in part})


def test_the_refusal_names_what_the_on_call_looks_for() -> None:
    verdict = JUDGE(good(clients=(PSQL,)))
    assert verdict == Refused(
        7002,
        "1 client is connected to blue",
        seen="pid 77: ann, psql from 10.0.0.9",
        wanted="no client but bluegreen",
        hint="send them to green, or end their sessions; then try again",
    )


def test_two_databases_of_one_server_are_no_copy_of_each_other() -> None:
    facts = good(green=replace(GREEN, system=111, database_oid=16385))
    assert isinstance(JUDGE(facts), Satisfied)


def test_a_released_blue_passes_without_asking_for_the_window_again() -> None:
    facts = replace(state(released=True, window_end=None), clients=(PSQL,))
    assert JUDGE(facts) == Satisfied("blue was released before")


@dataclass(frozen=True)
class Command:
    """A situation of the command that takes blue down."""

    facts: CommandFacts
    verdict: type
    why: str


PROVED = CommandFacts(True, False, False, "id-blue", "id-blue")
COMMANDS = {
    "proved": Command(PROVED, Needed, "terraform is to be run"),
    "proved, cut short before": Command(
        replace(PROVED, begun=True), Needed, "terraform is to be run"
    ),
    "gone, cut short before": Command(
        replace(PROVED, begun=True, says=None), Needed, "terraform is to be run"
    ),
    "gone, never begun": Command(replace(PROVED, says=None), Refused, "not proved"),
    "another one answers": Command(replace(PROVED, says="id-x"), Refused, "not proved"),
    "another one answers, cut short before": Command(
        replace(PROVED, begun=True, says="id-green"), Refused, "is not proved to be"
    ),
    "nobody knows who blue was": Command(
        replace(PROVED, known="", says=""), Refused, "not proved"
    ),
    "never set up": Command(replace(PROVED, says=""), Refused, "is not proved to be"),
    "a client came": Command(replace(PROVED, clients=(PSQL,)), Refused, "1 client is"),
    "not released": Command(replace(PROVED, released=False), NotYet, "is not released"),
    "not released, done": Command(CommandFacts(False, True), NotYet, "is not released"),
    "done": Command(replace(PROVED, done=True), Satisfied, "ended well before"),
    "done and gone": Command(
        replace(PROVED, done=True, says=None), Satisfied, "ended well before"
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_is_run_on_a_proved_blue_only(name: str) -> None:
    one = COMMANDS[name]
    verdict = TakeBlueDown("decommission", ("terraform", "destroy")).judge(one.facts)
    assert isinstance(verdict, one.verdict), verdict
    assert one.why in verdict.why


SLOT = SlotFacts(None, "reserved", 0)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (EndFacts(STATE, STREAM, SLOT), Needed("blue is a rollback target")),
        (EndFacts(STATE, None, None), Needed("blue is a rollback target")),
        (
            EndFacts(replace(STATE, released=True), STREAM, None),
            Needed("its stream is still there"),
        ),
        (
            EndFacts(replace(STATE, released=True), None, SLOT),
            Needed("its stream is still there"),
        ),
        (
            EndFacts(replace(STATE, released=True), None, None),
            Satisfied("blue was released"),
        ),
    ],
)
def test_the_way_back_ends_on_both_sides(facts: EndFacts, verdict: object) -> None:
    assert EndWayBack("decommission").judge(facts) == verdict


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (FinalBackupFacts(False, None, ""), NotYet),
        (FinalBackupFacts(False, PROOF, ""), NotYet),
        (FinalBackupFacts(True, None, ""), Needed),
        (FinalBackupFacts(True, PROOF, "it has changed"), Needed),
        (FinalBackupFacts(True, PROOF, ""), Satisfied),
    ],
)
def test_the_final_backup_comes_after_the_release(
    facts: FinalBackupFacts, verdict: type
) -> None:
    assert isinstance(
        TakeFinalBackup("decommission", Destination("to")).judge(facts), verdict
    )


def results(*actions: str) -> dict[str, Record]:
    return {a: Record(41, NOON, Kind.RESULT, 1, "r-3", a) for a in actions}


BACKED_UP = results("decommission/take_final_backup")
NO_FENCE = FenceFacts(3, missing=3, closed=0)
RELEASED = replace(STATE, released=True)


@pytest.mark.parametrize(
    ("over", "command", "known", "fence"),
    [
        (True, (), replace(RELEASED, results=BACKED_UP), NO_FENCE),
        (True, (), replace(RELEASED, results=BACKED_UP), FenceFacts(0, 0, 0)),
        (False, (), replace(STATE, results=BACKED_UP), NO_FENCE),
        (False, (), RELEASED, NO_FENCE),
        (False, (), replace(RELEASED, results=BACKED_UP), FenceFacts(3, 2, 0)),
        (False, ("true",), replace(RELEASED, results=BACKED_UP), NO_FENCE),
        (
            True,
            ("true",),
            replace(RELEASED, results=results("decommission/take_blue_down")),
            NO_FENCE,
        ),
        (
            False,
            ("true",),
            replace(STATE, results=results("decommission/take_blue_down")),
            NO_FENCE,
        ),
    ],
)
def test_it_is_over_by_what_green_tells_alone(
    over: bool, command: tuple[str, ...], known: State, fence: FenceFacts
) -> None:
    step = Decommission.model_validate({"command": command})
    assert step.is_over(known, fence) is over


def test_each_check_of_the_guard_is_needed() -> None:
    """A guard without one of its checks would say yes to one of the situations."""
    from bluegreen.steps.release import due

    checks: list[Callable[..., object]] = [
        due._same_sides,
        due._not_moved,
        due._not_serving,
        due._not_due,
        due._still_needed,
        due._no_backup,
    ]
    bad = [facts for facts, _ in (*REFUSED.values(), *WAITING.values())]
    for left_out in checks:
        kept = [check for check in checks if check is not left_out]
        assert any(all(check(facts) is None for check in kept) for facts in bad), (
            left_out.__name__
        )

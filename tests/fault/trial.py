"""One trial: a movement under load, a fault at a point of it, and the judgement.

Owns the course of it: hold the tool at the point, strike, fix, do as an operator
would, judge. What can strike is in `faults`, which cases there are in `cases`.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bluegreen.lab.ledger import audit
from bluegreen.model.side import Side
from tests.fault.faults import FAULTS, Fault
from tests.kit.battlefield import BUDGET_S, Battlefield
from tests.kit.crowd import Felt, Span
from tests.kit.tool import Tool
from tests.kit.wait import wait_until

GRACE_S = 1.0
"""What clients may wait beyond the budget."""

TRIES = 8
_VERBS = {Side.GREEN: "run", Side.BLUE: "rollback"}
_SECOND_WITHIN_S = 0.6
_BACK_BETWEEN_TRIES_S = 0.5
_DIGEST = (
    "SELECT (SELECT (count(*), sum(hashtextextended(t::text, 0))) FROM ledger t)::text"
    " || (SELECT (count(*), sum(hashtextextended(t::text, 0))) FROM bank t)::text"
)
_SERVING = (
    "SELECT coalesce(max(seq), 0),"
    " coalesce((array_agg(body ->> 'to' ORDER BY seq DESC))[1], 'blue')"
    " FROM bluegreen.journal WHERE kind = 'committed'"
)


@dataclass(frozen=True)
class Case:
    """What strikes where. `second` strikes in the recovery from the first."""

    to: Side
    point: str
    fault: str
    second: str = ""

    def __str__(self) -> str:
        move = "cutover" if self.to is Side.GREEN else "rollback"
        more = f"+{self.second}" if self.second else ""
        return f"{move}:{self.point}:{self.fault}{more}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read what `str` gives."""
        move, point, fault = text.split(":")
        fault, _, second = fault.partition("+")
        to = Side.GREEN if move == "cutover" else Side.BLUE
        return cls(to, point, fault, second)


@dataclass
class Outcome:
    """What a trial showed.

    Attributes:
        reached: whether the tool came to the point at all.
        wrong: everything that must not be, in words.
        set_aside: whether a side was quarantined by design.
        story: exit statuses and last words of each call.
    """

    case: Case
    seed: int
    reached: bool = True
    lost: int = 0
    doubled: int = 0
    two_writable: int = 0
    wait_ms: int = 0
    acknowledged: int = 0
    unknown: int = 0
    seconds: float = 0.0
    set_aside: bool = False
    wrong: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        mark = "WRONG " + "; ".join(self.wrong) if self.wrong else "ok"
        reached = "" if self.reached else " (not reached)"
        aside = " (set aside)" if self.set_aside else ""
        return (
            f"{self.case} seed {self.seed}{reached}{aside}: {mark};"
            f" wait {self.wait_ms} ms, {self.acknowledged} acknowledged,"
            f" {self.unknown} unknown, {self.seconds:.1f} s"
        )


def serving(here: Battlefield) -> Side:
    """The side of the newest commit record, on whichever side has it."""
    newest: list[tuple[int, str]] = []
    for side in Side:
        with here.connect(side) as session:
            there = session.execute("SELECT to_regclass('bluegreen.journal')")
            if there.fetchone() == (None,):
                continue
            row = session.execute(_SERVING).fetchone()
            assert row is not None
            newest.append((row[0], row[1]))
    return Side(max(newest, default=(0, "blue"))[1])


def flip(here: Battlefield, log: str = "") -> None:
    """An undisturbed movement to the other side."""
    here.tool(_VERBS[serving(here).other], log=log).require()


def points_of(here: Battlefield, to: Side, log: str) -> list[str]:
    """The points that a movement passes, in order. Makes the movement."""
    if serving(here) is to:
        flip(here)
    flip(here, log)
    return list(dict.fromkeys(Path(log).read_text().split()))


def try_case(
    here: Battlefield, case: Case, seed: int, points: Sequence[str]
) -> Outcome:
    """Run one case; everything is up and settled before and afterwards."""
    begun = time.monotonic()
    outcome = Outcome(case, seed)
    if serving(here) is case.to:
        flip(here)
    trial = _Trial(here, case, seed, points, outcome)
    here.crowd.begin()
    try:
        trial.go()
    finally:
        felt = trial.end_scene()
    trial.judge(felt)
    outcome.seconds = time.monotonic() - begun
    return outcome


class _Trial:
    """The state of one trial while it goes on."""

    def __init__(
        self,
        here: Battlefield,
        case: Case,
        seed: int,
        points: Sequence[str],
        outcome: Outcome,
    ) -> None:
        self.here, self.case, self.seed, self.outcome = here, case, seed, outcome
        self.dice = random.Random(seed)
        self.points = points
        self.free_gaps: list[Span] = []
        self.free_calls: list[Span] = []
        self.verb = _VERBS[case.to]

    def go(self) -> None:
        """Hold, strike, fix, and bring it to an end as an operator would."""
        tool = self.here.tool(self.verb, hold=self.case.point)
        self.outcome.reached = tool.await_hold()
        if self.outcome.reached:
            self._strike(tool, self.case.fault, self.case.point)
        self._note(tool)
        at_once = self.dice.random() < 0.5
        if self.case.second and not at_once:
            self._second_in_next_call()
        self._operate()

    def _strike(self, tool: Tool, name: str, point: str) -> None:
        fault = FAULTS[name]
        begun = time.monotonic()
        fault.strike(self.here, tool, self.seed)
        second = self._second_at_once() if point == self.case.point else None
        tool.go_on()
        if second is not None:
            _let_pass(self.dice.random() * _SECOND_WITHIN_S)
            second.strike(self.here, tool, self.seed)
        _let_pass(self.dice.choice(fault.lasts_s))
        fault.fix(self.here, tool, self.seed)
        if second is not None:
            _let_pass(self.dice.choice(second.lasts_s[:3]))
            second.fix(self.here, tool, self.seed)
            fault.fix(self.here, tool, self.seed)
            tool.signal(signal.SIGCONT)
        ended = time.monotonic()
        self._excuse(fault, point, (begun, ended))
        if second is not None:
            # Traffic may have moved between the two.
            also = serving(self.here)
            self._excuse(second, point, (begun, ended), also)
            if self._nobody_knows(point):
                self.free_gaps.append((begun, ended))

    def _nobody_knows(self, point: str) -> bool:
        """The tool is away, and the side that it may have committed on out of sight."""
        names = {self.case.fault, self.case.second}
        cut = {f"{self.case.to}_black_hole", f"{self.case.to}_reset"}
        away = {"tool_killed", "tool_stopped"}
        inside = _place(self.points, point) == "inside"
        return inside and not names.isdisjoint(cut) and not names.isdisjoint(away)

    def _second_at_once(self) -> Fault | None:
        if not self.case.second or random.Random(self.seed).random() >= 0.5:
            return None
        return FAULTS[self.case.second]

    def _second_in_next_call(self) -> None:
        """Whoever runs it again meets the second fault at a point of that call."""
        point = f"*:{self.dice.randint(1, 12)}"
        tool = self.here.tool(self.verb, hold=point)
        if tool.await_hold():
            self._strike(tool, self.case.second, "")
        self._note(tool)

    def _excuse(
        self, fault: Fault, point: str, span: Span, also: Side | None = None
    ) -> None:
        """What nobody could spare the clients while it lasted.

        `also` is a side that served at its end.
        """
        place = _place(self.points, point)
        left = self.case.to.other
        serves = self.case.to if place == "after" else left
        unknown = not point
        if fault.what == "pooler" or (
            fault.what == "server" and (unknown or fault.hits in {serves, also})
        ):
            self.free_calls.append(span)
            self.free_gaps.append(span)
        if fault.what == "door" and (unknown or place == "inside" or point in _HELD):
            self.free_calls.append(span)
            self.free_gaps.append(span)
        if fault.what == "network" and (
            unknown or (place == "inside" and fault.hits is left)
        ):
            self.free_gaps.append(span)
        # The next thing is the commit: while its answer is lost, nobody knows.
        if point == "move/stream_stopped" and fault.hits is self.case.to:
            self.free_gaps.append(span)

    def _note(self, tool: Tool) -> int:
        status = tool.ended()
        said = [line for line in tool.said.splitlines() if line.startswith("error")]
        self.outcome.story.append(f"{status} {' '.join(said)}".strip())
        return status

    def _operate(self) -> None:
        """Run it again until it says that all is done."""
        verb = self.verb if self.dice.random() < 0.7 else "rollback"
        for _ in range(TRIES):
            tool = self.here.tool(verb)
            status = self._note(tool)
            if status == 0:
                return
            if "was set aside" in tool.said:
                self.outcome.set_aside = True
                return
            _let_pass(_BACK_BETWEEN_TRIES_S)
        self.outcome.wrong.append(f"no end in {TRIES} tries: {tool.said}")

    def end_scene(self) -> Felt:
        """See that everybody is served, then stop them."""
        enough = self.here.crowd.acknowledged() + 20
        try:
            wait_until(
                lambda: self.here.crowd.acknowledged() > enough, "clients to be served"
            )
        except AssertionError as error:
            self.outcome.wrong.append(str(error))
        return self.here.crowd.end()

    def judge(self, felt: Felt) -> None:
        """Everything that must hold after any fault."""
        self._judge_writes(felt)
        self._judge_waits(felt)
        if not self.outcome.set_aside:
            self._judge_sides()

    def _judge_writes(self, felt: Felt) -> None:
        out, wrong = self.outcome, self.outcome.wrong
        told = audit(self.here.conninfo(serving(self.here)), felt.ledger)
        out.lost, out.doubled = told.lost, told.doubled
        out.two_writable = len(felt.both)
        out.acknowledged = felt.ledger.acknowledged
        out.unknown = felt.ledger.unknown
        if not told.ok:
            wrong.append(f"{told}")
        if felt.both:
            wrong.append(f"{len(felt.both)} times both sides took a write")
        if felt.wrong_sums:
            wrong.append(f"readers saw other sums of the bank: {felt.wrong_sums[:3]}")
        if felt.reissued:
            wrong.append(f"a sequence gave numbers twice: {felt.errors}")
        if felt.ledger.hung:
            wrong.append(f"{felt.ledger.hung} clients never came back")

    def _judge_waits(self, felt: Felt) -> None:
        call, gap = (
            felt.longest_call_s(self.free_calls),
            felt.longest_gap_s(self.free_gaps),
        )
        self.outcome.wait_ms = round(1000 * max(call, gap))
        if max(call, gap) > BUDGET_S + GRACE_S:
            self.outcome.wrong.append(
                f"clients waited: answer {call:.2f} s, commit {gap:.2f} s;"
                f" errors {dict(felt.errors)}"
            )

    def _judge_sides(self) -> None:
        if self.here.tool("status").ended() != 0:
            tool = self.here.tool("status", "--json")
            tool.ended()
            self.outcome.wrong.append(f"status still has doubts: {tool.said}")
        try:
            wait_until(lambda: len(set(digests(self.here))) == 1, "equal sides")
        except AssertionError as error:
            self.outcome.wrong.append(str(error))


_HELD = {"move/paused", "move/committed", "move/pointed"}


def _place(points: Sequence[str], point: str) -> str:
    """`before` the pause, `inside` it up to the commit point, or `after` that."""
    try:
        at = points.index(point)
        first, commit = points.index("move/paused"), points.index("move/committed")
    except ValueError:
        return "after"
    if at < first:
        return "before"
    return "inside" if at < commit else "after"


def digests(here: Battlefield) -> list[str]:
    found = []
    for side in Side:
        try:
            with here.connect(side) as session:
                row = session.execute(_DIGEST.encode()).fetchone()
        except psycopg.Error as error:
            return [str(side), str(error)]
        assert row is not None
        found.append(row[0])
    return found


def _let_pass(seconds: float) -> None:
    """A fault lasts; there is no condition to wait for."""
    threading.Event().wait(seconds)

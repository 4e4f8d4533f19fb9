"""Small real actions for tests of the engine: tables and rows that should exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from psycopg import sql

from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.database import Database
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.world import World


class MakeShelf(Action[bool]):
    """Green has the table public.shelf.

    Crash: the table is there or it is not.
    """

    title = "green has a shelf"
    hazards: ClassVar[frozenset[Hazard]] = frozenset({Hazard.CHANGES_GREEN_SCHEMA})

    def observe(self, world: World) -> bool:
        return bool(
            world.green.value(sql.SQL("SELECT to_regclass('public.shelf') IS NOT NULL"))
        )

    def judge(self, facts: bool) -> Verdict:
        return Satisfied("it stands") if facts else Needed("there is no shelf")

    def act(self, world: World, facts: bool) -> Result:
        world.green.run(sql.SQL("CREATE TABLE IF NOT EXISTS public.shelf (n int)"))
        return {"table": "public.shelf"}

    def undo(self, world: World, facts: bool) -> None:
        world.green.run(sql.SQL("DROP TABLE IF EXISTS public.shelf"))


class PutBook(Action[int]):
    """The shelf holds one book.

    Crash: one transaction, so it holds one or none.
    """

    title = "the shelf holds one book"

    def observe(self, world: World) -> int:
        return int(world.green.value(sql.SQL("SELECT count(*) FROM public.shelf")))

    def judge(self, facts: int) -> Verdict:
        return Satisfied("one book") if facts == 1 else Needed(f"{facts} books")

    def act(self, world: World, facts: int) -> Result:
        with world.green.transaction() as session:
            session.execute("DELETE FROM public.shelf")
            session.execute("INSERT INTO public.shelf VALUES (1)")
        return {"books": 1}

    def undo(self, world: World, facts: int) -> None:
        world.green.run(sql.SQL("DELETE FROM public.shelf"))


class Shelf(Step):
    """A shelf with a book."""

    step: Literal["shelf"] = "shelf"

    def actions(self) -> tuple[Action[Any], ...]:
        return (MakeShelf(self.key), PutBook(self.key))


class Told(Action[Any]):
    """Answers verdicts in turn; what it is asked and told is kept.

    Crash: nothing is left.
    """

    title = "the wanted state"

    def __init__(self, *verdicts: Verdict, key: str = "told") -> None:
        super().__init__(key)
        self.verdicts = list(verdicts)
        self.acts = 0
        self.doing: Callable[[World], Result] = lambda _: {}

    def observe(self, world: World) -> Verdict:
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]

    def judge(self, facts: Verdict) -> Verdict:
        return facts

    def act(self, world: World, facts: Verdict) -> Result:
        self.acts += 1
        return self.doing(world)


class Script(Step):
    """A step of whatever actions a test wants."""

    step: Literal["script"] = "script"
    given: tuple[Any, ...] = ()

    def actions(self) -> tuple[Action[Any], ...]:
        return self.given


@dataclass
class OneJournal:
    """A story kept in memory."""

    told: list[Record] = field(default_factory=list)

    def records(self) -> Sequence[Record]:
        return tuple(self.told)

    def told_by(self, _: Side) -> Sequence[Record]:
        return self.records()

    def append(
        self, kind: Kind, *, action: str = "", body: Mapping[str, Any] | None = None
    ) -> Record:
        self.told.append(self.draft(kind, action=action, body=body))
        return self.told[-1]

    def draft(
        self, kind: Kind, *, action: str = "", body: Mapping[str, Any] | None = None
    ) -> Record:
        epoch = max((r.epoch for r in self.told), default=0) + (kind is Kind.COMMITTED)
        now = datetime(2026, 5, 4, 1, 2, 3, tzinfo=UTC)
        return Record(
            len(self.told) + 1, now, kind, epoch, "r-1", action, dict(body or {}), "me"
        )

    def reconcile(self) -> int:
        return 0


@dataclass
class HandClock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    at_each_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.at_each_sleep()


def nowhere(side: Side) -> Database:
    """A database that is never asked."""
    return Database(side, "host=nowhere.invalid dbname=shop")


def quiet_world(**parts: Any) -> World:
    """A world without servers."""
    given = {
        "name": "shop",
        "blue": nowhere(Side.BLUE),
        "green": nowhere(Side.GREEN),
        "pointers": (),
        "journal": OneJournal(),
        "clock": HandClock(),
    }
    return World(**{**given, **parts})

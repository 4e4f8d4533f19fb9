"""What the compatibility judge says. Owns the eight answers, their order and form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way rows go: blue to green, blue's rows at the start, green to blue."""

    FORWARD = "forward"
    COPY = "copy"
    REVERSE = "reverse"


class Answer(StrEnum):
    """From best to worst; `stops` says which of them a run must not pass."""

    OK = "OK"
    LOSSY = "LOSSY"
    OK_IF = "OK_IF"
    NEEDS = "NEEDS"
    UNKNOWN = "UNKNOWN"
    APP = "APP"
    SILENT = "SILENT"
    BREAK = "BREAK"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(Answer).index(self)

    @property
    def stops(self) -> bool:
        """Whether a run must not go on: everything that is not known to be fine."""
        return self not in {Answer.OK, Answer.LOSSY}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that `compat` found.

    Attributes:
        answer: how bad it is.
        direction: which way rows go.
        rule: id in `rules.RULES`, which gives the law, the row and the proof.
        where: table, or table and column, as people say it.
        why: one sentence.
        needs: what makes it compatible; for OK_IF the predicate in words.
        statement: index of the migration's statement that brought it, if one is known.
        found: what a look at data said of an OK_IF; empty where none was had.
        lacking: tables, and columns as `table.column`, that the receiver would need to
            take everything.
    """

    answer: Answer
    direction: Direction
    rule: str
    where: str
    why: str
    needs: str = ""
    statement: int | None = None
    found: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What a playbook accepts it by, on `where`: `reverse/LOSSY/table-left-out`."""
        return f"{self.direction}/{self.answer}/{self.rule}"

    @property
    def name(self) -> str:
        """Both in one."""
        return f"{self.id}/{self.where}"


def id_and_where(name: str) -> tuple[str, str]:
    """A verdict's name in its two parts."""
    direction, answer, rule, where = name.split("/", 3)
    return f"{direction}/{answer}/{rule}", where


def worst(verdicts: Iterable[Verdict]) -> Answer:
    """The worst answer, OK when there is none."""
    return max((v.answer for v in verdicts), key=lambda a: a.rank, default=Answer.OK)

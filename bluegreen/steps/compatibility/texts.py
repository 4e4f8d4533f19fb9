"""The migration files as `compat` reads them.

Owns turning files into statements with their places, and names without a schema into
the tables that blue has. What a statement means is for `compat`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.migrators.halves import Halves, Waiting
from bluegreen.model.bookkeeping import BOOKKEEPING

if TYPE_CHECKING:
    from bluegreen.compat.verdict import Verdict
    from bluegreen.postgres.catalog.scope import Name

_FORWARD = "CREATE PUBLICATION p FOR ALL TABLES"
_REVERSE = "CREATE PUBLICATION p FOR TABLE t"
"""As our own publications are: blue sends every table that it has, green a list."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Statements of all files, in order.

    Attributes:
        statements: their text.
        places: `file:line` of each.
        files: name of the file of each.
    """

    statements: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def read_texts(
    home: Path,
    patterns: Sequence[str],
    contract: Sequence[str] = (),
    waiting: Waiting | None = None,
) -> Texts:
    """Read what runs before traffic moves, in the order in which it does.

    Args:
        home: the folder that patterns start at.
        patterns: files or patterns.
        contract: those of them that run once blue is released.
        waiting: statements of the others that do.

    Raises:
        PlaybookRefused: 2009; a file is not plain SQL, or a pattern names none.
    """
    statements, places, files = [], [], []
    halves = Halves(home, patterns, contract, waiting or {})
    for name in halves.first():
        for part in halves.read(name).parts:
            statements.append(part.text)
            places.append(f"{name}:{part.line}")
            files.append(name)
    return Texts(tuple(statements), tuple(places), tuple(files))


def compat_texts(
    texts: Texts, *, lists: bool = True, carried: Collection[str] = ()
) -> list[Verdict]:
    """Judge the text alone, as our own publications would carry it. Pure.

    Args:
        texts: the files.
        lists: green is of 15 or later and can leave columns out.
        carried: columns that triggers keep in step.
    """
    from bluegreen.compat.text.trees import judge_trees

    found = judge_trees(
        texts.statements,
        forward=_FORWARD,
        reverse=_REVERSE,
        lists=lists,
        carried=carried,
    )
    # Migration tools' own tables are in none of our publications.
    return [v for v in found if v.where.split(".")[-1] not in BOOKKEEPING]


def with_full_names(
    verdicts: Iterable[Verdict], names: Collection[Name]
) -> list[Verdict]:
    """Put the schema before a table's name where only one table has it. Pure."""
    by_name: dict[str, set[Name]] = {}
    for name in names:
        by_name.setdefault(name[1], set()).add(name)
    return [_full(verdict, by_name) for verdict in verdicts]


def _full(verdict: Verdict, by_name: Mapping[str, set[Name]]) -> Verdict:
    found = by_name.get(verdict.where, set())
    if len(found) != 1:
        return verdict
    return replace(verdict, where=".".join(next(iter(found))))


def place_of(verdict: Verdict, texts: Texts) -> str:
    """`migrations/2.sql:7` of a verdict that a statement brought, else empty."""
    number = verdict.statement
    return texts.places[number] if number is not None and texts.places else ""

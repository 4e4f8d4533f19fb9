"""Whether two definitions mean the same, whatever words two servers print them in.

Owns the normal form: a definition as green prints it once it has parsed it. What the
definition says is made there among the temporary objects, in a transaction that is
rolled back. Nothing but ACCESS SHARE is taken on a table.

16 stopped to qualify the columns of a view over one table. And what one server prints
is not always what it prints of that again: `state IN ('new', 'done')` over a varchar
and a nested AND have another text after one dump and restore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import psycopg
from psycopg import sql

from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.quoting import QUOTE_ALL
from bluegreen.postgres.schema.items import Item
from bluegreen.postgres.user_session import verbatim

ROUNDS = 3
"""How often a definition is printed again: texts were seen to stand still after two."""

AT_ONCE = 100
"""Definitions in one message; each holds a lock of its own until it is rolled back."""

_VIEWS = frozenset({"view", "materialized view"})
_ROUTINES = frozenset({"function", "procedure"})

# All names are quoted, so that these cannot be mistaken.
_NAME = r'"(?:[^"]|"")*"'
_ROUTINE = re.compile(rf"CREATE OR REPLACE (?:FUNCTION|PROCEDURE) ({_NAME}\.{_NAME})\(")
_RULE = re.compile(rf"CREATE RULE ({_NAME}) AS\s+ON \w+ TO ({_NAME}\.{_NAME})")
_IN_TEXT = {
    "trigger": re.compile(r" WHEN \((.*)\) EXECUTE (?:FUNCTION|PROCEDURE) ", re.DOTALL),
    "statistics": re.compile(r" ON (.*) FROM ", re.DOTALL),
}
"""Where expressions stand in a text without quoted names and literals."""
_QUOTED = re.compile(rf"'(?:[^']|'')*'|{_NAME}")

_PREFIX = "bluegreen_compared_"

_PRINTED = sql.SQL(
    """
    SELECT c.relname::text, pg_get_viewdef(c.oid)
    FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema()
      AND c.relkind = 'v' AND starts_with(c.relname, {prefix})
    UNION ALL
    SELECT p.proname::text, pg_get_functiondef(p.oid)
    FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema()
      AND starts_with(p.proname, {prefix})
    UNION ALL
    SELECT r.rulename::text, pg_get_ruledef(r.oid)
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relnamespace = pg_my_temp_schema() AND starts_with(r.rulename, {prefix})
    """
).format(prefix=sql.Literal(_PREFIX))


@dataclass(frozen=True, slots=True)
class Form:
    """What can be made on green for a definition, and printed.

    Attributes:
        kind: of statement: `VIEW`, `ROUTINE` or `RULE`.
        text: a query, or the statement.
        source: a rule's relation.
    """

    kind: str
    text: str
    source: str = ""

    def makes(self, name: str) -> str:
        """The statements that make it as a temporary object of this name."""
        if self.kind == "VIEW":
            query = self.text.rstrip().rstrip(";")
            return f'CREATE TEMPORARY VIEW "{name}" AS {query};\n'
        if self.kind == "ROUTINE":
            return _replaced(_ROUTINE, self.text, f'pg_temp."{name}"') + ";\n"
        table = f'pg_temp."{name}_table"'
        rule = _replaced(_RULE, self.text, f'"{name}"', table)
        made = f"CREATE TEMPORARY TABLE {table} (LIKE {self.source})"
        return f"{made};\n{rule.rstrip().rstrip(';')};\n"

    def printed(self, text: str) -> Form:
        """The form once it was printed, whatever its name was."""
        if self.kind == "ROUTINE":
            text = _replaced(_ROUTINE, text, '"pg_temp"."it"')
        elif self.kind == "RULE":
            text = _replaced(_RULE, text, '"it"', '"pg_temp"."it"')
        return Form(self.kind, text, self.source)


def alike_in_meaning(green: Database, pairs: Iterable[tuple[Item, Item]]) -> set[str]:
    """Keys of the pairs of blue's and green's definitions that mean the same.

    What green cannot make counts as different.
    """
    left = [two for pair in pairs if (two := _chains(*pair)) is not None]
    alike: set[str] = set()
    for _ in range(ROUNDS):
        forms = {
            (number, side): chain[-1]
            for number, two in enumerate(left)
            for side, chain in enumerate(two.chains)
        }
        printed = _print_all(green, forms)
        for (number, side), form in printed.items():
            left[number].chains[side].append(form)
        alike.update(two.key for two in left if two.meet())
        left = [
            two
            for number, two in enumerate(left)
            if two.key not in alike and {(number, 0), (number, 1)} <= printed.keys()
        ]
        if not left:
            break
    return alike


def form_of(item: Item) -> Form | None:
    """What is printed for a definition; None where its text is all of it. Pure."""
    if item.kind in _VIEWS:
        return Form("VIEW", item.definition)
    if item.kind in _ROUTINES and _ROUTINE.match(item.definition):
        return Form("ROUTINE", item.definition)
    if item.kind == "rule" and _RULE.match(item.definition):
        return Form("RULE", item.definition, item.source)
    if expressions := _expressions(item):
        # IS NULL, as a view's column must have a type of its own and a collation.
        asked = ", ".join(
            f'({one}) IS NULL AS "c{place}"' for place, one in enumerate(expressions)
        )
        return Form("VIEW", " ".join(("SELECT", asked, "FROM", item.source)))
    return None


def frame_of(item: Item) -> str:
    """A definition without its expressions; empty where all of it is printed. Pure."""
    if item.kind in _VIEWS | _ROUTINES | {"rule"}:
        return ""
    whole = item.definition
    frame = ""
    # From behind: a short expression may stand by chance in what comes before it.
    for expression in reversed(_expressions(item)):
        before, found, after = whole.rpartition(expression)
        if not found:
            return item.definition
        whole, frame = before, f"\0{after}{frame}"
    return whole + frame


@dataclass(slots=True)
class _Two:
    """Two definitions of one thing, printed again and again."""

    key: str
    chains: tuple[list[Form], list[Form]] = field()

    def meet(self) -> bool:
        blue, green = (set(chain) for chain in self.chains)
        return not blue.isdisjoint(green)


def _chains(blue: Item, green: Item) -> _Two | None:
    one, other = form_of(blue), form_of(green)
    if one is None or other is None or frame_of(blue) != frame_of(green):
        return None
    return _Two(blue.key, ([one], [other]))


def _expressions(item: Item) -> tuple[str, ...]:
    pattern = _IN_TEXT.get(item.kind)
    if pattern is None:
        return item.expressions
    masked = _QUOTED.sub(lambda match: "x" * len(match[0]), item.definition)
    found = pattern.search(masked)
    return (item.definition[slice(*found.span(1))],) if found else ()


def _print_all(
    green: Database, forms: Mapping[tuple[int, int], Form]
) -> dict[tuple[int, int], Form]:
    printed: dict[tuple[int, int], Form] = {}
    left = iter(forms.items())
    while batch := list(islice(left, AT_ONCE)):
        printed.update(_print_batch(green, batch))
    return printed


def _print_batch(
    green: Database, batch: Sequence[tuple[tuple[int, int], Form]]
) -> dict[tuple[int, int], Form]:
    """Those that green can make; a refused one is found by halves."""
    names = [f"{_PREFIX}{number}" for number in range(len(batch))]
    script = "".join(
        form.makes(name) for name, (_, form) in zip(names, batch, strict=True)
    )
    try:
        found = _texts(green, script)
    except SqlError:
        if len(batch) == 1:
            return {}
        half = len(batch) // 2
        return _print_batch(green, batch[:half]) | _print_batch(green, batch[half:])
    return {
        place: form.printed(found[name])
        for name, (place, form) in zip(names, batch, strict=True)
    }


def _texts(green: Database, script: str) -> dict[str, str]:
    found: dict[str, str] = {}
    with green.transaction() as session:
        session.execute(sql.SQL("SET LOCAL check_function_bodies = off"))
        session.execute(QUOTE_ALL)
        session.execute(verbatim(script), prepare=False)
        found.update(session.execute(_PRINTED).fetchall())
        raise psycopg.Rollback
    return found


def _replaced(pattern: re.Pattern[str], text: str, *parts: str) -> str:
    """The text with the pattern's groups replaced."""
    match = pattern.match(text)
    if match is None:
        return text
    for number, part in reversed(list(enumerate(parts, 1))):
        text = text[: match.start(number)] + part + text[match.end(number) :]
    return text

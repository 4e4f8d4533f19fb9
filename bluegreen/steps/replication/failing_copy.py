"""Initial copies that fail again and again, and why.

Owns when a copy is taken for one that cannot end, and what is said about it. Telling
that it failed is for `postgres/replication/copy_tries.py`; the reason is asked of
blue's rows in `postgres/rules/`, as green's log may not be ours to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile

from bluegreen.model.accept import ORPHANS, entries
from bluegreen.model.codes import Code
from bluegreen.model.verdict import Refused
from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.copy_tries import CopyTries, read_copying
from bluegreen.postgres.rules.breaches import Asker, Breach
from bluegreen.postgres.rules.read import Kind, rules_if_free
from bluegreen.postgres.rules.statements import corrections_on_copy
from bluegreen.postgres.schema.copy import PartsRefused
from bluegreen.steps.preflight.intent import listed
from bluegreen.steps.world import World

ASKED_FOR = timedelta(seconds=20)
"""One question to blue's rows; a reason not found by then is left to `check --deep`."""

HOPELESS = 4
"""Failures after which a copy without a known reason is given up: a server tries each
five seconds, and a restart or a lost connection fails once."""

_ASK_AT = frozenset({1, HOPELESS - 1})

GATHER_S = 12.0
"""How long other tables have to show that theirs fail too: two tries of a server."""


@dataclass(frozen=True, slots=True)
class FailingCopy:
    """A table whose copy failed.

    Attributes:
        failures: how many of its tries were seen to fail.
        breaches: what of blue's rows does not fit; empty where nothing was found.
    """

    table: Name
    failures: int
    breaches: tuple[Breach, ...] = ()

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting cannot help."""
        return bool(self.breaches) or self.failures >= HOPELESS


@dataclass(slots=True)
class FailingCopies:
    """What the looks of one wait have seen."""

    _tries: CopyTries = field(default_factory=CopyTries)
    _known: dict[Name, FailingCopy] = field(default_factory=dict)
    _since: float | None = None

    def look(self, world: World, subscription: str) -> tuple[FailingCopy, ...]:
        """The copies that cannot end, once others had the time to fail as well."""
        copying = read_copying(world.green, subscription)
        failed = self._tries.look(copying)
        self._known = {
            table: self._seen(world, table, count) for table, count in failed.items()
        }
        hopeless = tuple(one for one in self._known.values() if one.is_hopeless)
        if not hopeless:
            self._since = None
            return ()
        if self._since is None:
            self._since = world.clock.monotonic()
        gathered = world.clock.monotonic() - self._since >= GATHER_S
        return hopeless if gathered else ()

    def _seen(self, world: World, table: Name, failures: int) -> FailingCopy:
        known = self._known.get(table)
        if known is not None and known.failures == failures:
            return known
        breaches = known.breaches if known is not None else ()
        if failures in _ASK_AT:
            breaches = _reasons(world, table)
        return FailingCopy(table, failures, breaches)


def _reasons(world: World, table: Name) -> tuple[Breach, ...]:
    rules = [r for r in rules_if_free(world.blue, table) if r.meets_copies]
    until = world.clock.monotonic() + 2 * ASKED_FOR.total_seconds()
    in_time = takewhile(lambda _: world.clock.monotonic() < until, rules)
    answers = Asker(world.blue, ASKED_FOR).ask(in_time)
    return tuple(one for one in answers if isinstance(one, Breach))


def refusal(failing: tuple[FailingCopy, ...]) -> Refused:
    """All of them at once, with what corrects each. Pure."""
    names = [quote_name(*one.table) for one in failing]
    count = "1 table" if len(names) == 1 else f"{len(names)} tables"
    return Refused(
        Code.STREAM_STOPPED,
        f"{count} cannot be copied: {listed(names)}",
        seen="\n".join(line for one in failing for line in _said(one)),
        wanted="rows that green takes; the other tables are copied meanwhile",
        hint="\n".join(
            [
                *dict.fromkeys(line for one in failing for line in _hints(one)),
                "then run again: the server starts the copy again by itself",
            ]
        ),
    )


def explain_refusals(world: World, error: PartsRefused) -> None:
    """Say which rows of blue break what green refused to make, and what corrects it."""
    lines, said, keys = [], [], []
    for one in error.errors:
        diag = one.refusal.diag
        if not (diag.schema_name and diag.table_name and diag.constraint_name):
            continue
        rules = [
            rule
            for rule in rules_if_free(world.blue, (diag.schema_name, diag.table_name))
            if rule.name
            in (
                diag.constraint_name,
                quote_name(diag.schema_name, diag.constraint_name),
            )
        ]
        for breach in Asker(world.blue, ASKED_FOR).ask(rules):
            if isinstance(breach, Breach):
                said.append(f"on blue: {breach.seen}")
                lines += _corrects(breach)
                if breach.rule.kind is Kind.FOREIGN_KEY:
                    keys.append((ORPHANS, breach.rule.thing))
    if said:
        error.seen = "\n".join([error.seen, *said])
        lines.append("then run again; what was made stays")
        if keys:
            lines.append("or let these stay NOT VALID on green:")
            lines += entries(keys)
        error.hint = "\n".join(lines)


def _said(one: FailingCopy) -> list[str]:
    table = quote_name(*one.table)
    if one.breaches:
        return [f"{table}: {breach.seen}" for breach in one.breaches]
    failed = f"its copy failed {one.failures} times"
    return [f"{table}: {failed}, and blue's rows show no reason"]


def _hints(one: FailingCopy) -> list[str]:
    if not one.breaches:
        return [
            (
                f"{quote_name(*one.table)}: the reason is the last ERROR of a logical "
                "replication worker in green's log"
            )
        ]
    return [line for breach in one.breaches for line in _corrects(breach)]


def _corrects(breach: Breach) -> list[str]:
    if breach.needs_path:
        return [f"on blue and on green: {statement}" for statement in breach.fix]
    lines = [f"the rows on blue: {breach.show}"] if breach.show else []
    or_not = "" if breach.rule.kind is Kind.UNIQUE else "correct them, or "
    lines += [f"{or_not}on blue: {statement}" for statement in breach.fix]
    return lines + [
        f"and on green: {statement}" for statement in corrections_on_copy(breach.rule)
    ]

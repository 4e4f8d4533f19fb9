"""Rules about a change of a column's type."""

from __future__ import annotations

from bluegreen.lint.effects.effect import Rewrite
from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op, Type
from bluegreen.sql.reading.parts import casts

_STAMPS = frozenset({"timestamp", "timestamptz"})


def _old(op: Op, state: State) -> Type | None:
    known = state.table(op.table) if op.table else None
    column = known.columns.get(op.name) if known else None
    return column.type.stored if column else None


def _zone_decides(op: Op, state: State) -> bool:
    old = _old(op, state)
    pair = {old.name, op.type.name} if old and op.type else set()
    return pair == _STAMPS and op.expr is None


def _rewrites(op: Op, state: State) -> str | None:
    effect = state.effect
    if not state.filled(op.table) or effect.rewrite is not Rewrite.HEAP:
        return None
    if not effect.sure or _zone_decides(op, state):
        return None
    return f"{op.table}.{op.name} becomes {op.type}: {effect.why}"


def _may_rewrite(op: Op, state: State) -> str | None:
    effect = state.effect
    if not state.filled(op.table) or effect.sure or _zone_decides(op, state):
        return None
    return f"{op.table}.{op.name} becomes {op.type}: {effect.why}"


def _rescans(op: Op, state: State) -> str | None:
    effect = state.effect
    if not state.filled(op.table) or effect.rewrite is Rewrite.HEAP:
        return None
    if not effect.scan and not effect.rewrite:
        return None
    return f"{op.table}.{op.name} becomes {op.type}: {effect.why}"


def _time_zone(op: Op, state: State) -> str | None:
    effect = state.effect
    if not _zone_decides(op, state) or not state.filled(op.table):
        return None
    return effect.why if effect.rewrite is Rewrite.HEAP else None


_INTEGERS = {"int2": 2, "int4": 4, "int8": 8}


def _narrows(op: Op, state: State) -> str | None:
    old, new = _old(op, state), op.type
    if old is None or new is None or not state.filled(op.table):
        return None
    if casts(op.expr, op.name) is None:
        return None
    smaller = _INTEGERS.get(new.name, 9) < _INTEGERS.get(old.name, 0)
    shorter = new.name in ("varchar", "bpchar") and (
        bool(new.mods) and (not old.mods or new.mods[0] < old.mods[0])
    )
    rounded = (old.name, new.name) in _LOSSY or _coarser(old, new)
    if smaller or shorter or rounded:
        return f"{old} to {new} refuses or rounds values that {op.name} may hold"
    return None


_LOSSY = frozenset(
    {
        *(("numeric", "int4"), ("numeric", "int8"), ("float8", "float4")),
        *(("numeric", "float8"), ("timestamptz", "date"), ("timestamp", "date")),
        *(("float8", "int4"), ("float8", "int8"), ("json", "jsonb")),
    }
)


def _coarser(old: Type, new: Type) -> bool:
    if old.name != new.name or not new.mods or old.name in ("varchar", "bpchar"):
        return False
    if old.name == "numeric":
        scales = [mods[1] if len(mods) > 1 else 0 for mods in (old.mods, new.mods)]
        return not old.mods or new.mods[0] < old.mods[0] or scales[1] < scales[0]
    return not old.mods or new.mods[-1] < old.mods[-1]


_ALTER = on(Kind.ALTER_TYPE)
_PARALLEL = (
    "A parallel column: add it, keep it by a trigger, fill old rows in batches, move "
    "the readers, then drop the old one."
)

RULES = (
    Rule(
        id="type-change-rewrites",
        name="A change of type rewrites the table",
        severity=Severity.CRITICAL,
        kinds=_ALTER,
        condition=_rewrites,
        effect="ACCESS EXCLUSIVE; the table and its indexes are rewritten.",
        why="Reads and writes wait until every row is written again.",
        workaround=_PARALLEL,
        known="CREATE TABLE note (id int PRIMARY KEY, slug varchar(20));",
        bad="ALTER TABLE note ALTER COLUMN id TYPE bigint;",
        good="ALTER TABLE note ALTER COLUMN slug TYPE varchar(40);",
        sized=True,
    ),
    Rule(
        id="type-change-unknown",
        name="A change of type may rewrite the table",
        severity=Severity.WARNING,
        kinds=_ALTER,
        condition=_may_rewrite,
        effect="ACCESS EXCLUSIVE; at worst a rewrite, at best the catalog only.",
        why="The present type is not in the files, so the worst must be taken.",
        workaround="Let the linter know the schema (`--schema` or `--dsn`), or use a "
        "parallel column.",
        bad="ALTER TABLE note ALTER COLUMN slug TYPE text;",
        good="ALTER TABLE note ADD COLUMN slug_next text;",
        sized=True,
    ),
    Rule(
        id="type-change-rescans",
        name="A change of type tests rows or rebuilds indexes under the lock",
        severity=Severity.CRITICAL,
        kinds=_ALTER,
        condition=_rescans,
        effect="ACCESS EXCLUSIVE while a CHECK is tested or an index built again; the "
        "rows stay as they are.",
        why="Widening is free only while no CHECK, partial index or index expression "
        "mentions the column, and no index is ordered by what changes.",
        workaround="Drop the index or CHECK before, make it again afterwards: the "
        "index CONCURRENTLY, the CHECK NOT VALID.",
        known="CREATE TABLE note (slug varchar(20) CHECK (slug <> ''));",
        bad="ALTER TABLE note ALTER COLUMN slug TYPE varchar(40);",
        good="ALTER TABLE note ADD COLUMN title varchar(40);",
        sized=True,
    ),
    Rule(
        id="type-change-time-zone",
        name="Whether the table is rewritten hangs on the session's TimeZone",
        severity=Severity.CRITICAL,
        kinds=_ALTER,
        condition=_time_zone,
        effect="ACCESS EXCLUSIVE; a rewrite unless TimeZone is UTC.",
        why="In another zone every row is rewritten, and every value read in it.",
        workaround="SET TimeZone = 'UTC' before it, when the values are UTC.",
        known="CREATE TABLE note (at timestamp);",
        bad="ALTER TABLE note ALTER COLUMN at TYPE timestamptz;",
        good="SET TimeZone = 'UTC';\nALTER TABLE note ALTER COLUMN at "
        "TYPE timestamptz;",
        sized=True,
    ),
    Rule(
        id="type-narrows",
        name="A change of type refuses or rounds values",
        severity=Severity.CRITICAL,
        kinds=_ALTER,
        condition=_narrows,
        effect="ACCESS EXCLUSIVE and a rewrite; fails on the first value "
        "that is too big.",
        why="Values are rounded without a word, or the migration fails half way.",
        workaround=_PARALLEL,
        known="CREATE TABLE note (size bigint);",
        bad="ALTER TABLE note ALTER COLUMN size TYPE int;",
        good="ALTER TABLE note ADD COLUMN size_small int;",
        also=frozenset({"type-change-rewrites"}),
    ),
)

"""Rules of taste and good order. All are off until asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Column, Kind, Op
from bluegreen.sql.search_path import TEMPORARY, same_name

# NAMEDATALEN - 1: PostgreSQL cuts longer names without an error.
LONGEST_NAME_BYTES = 63
# No character takes more than four bytes.
_SURELY_SHORT = (LONGEST_NAME_BYTES - 3) // 4
_NEW = on(Kind.CREATE_TABLE, Kind.ADD_COLUMN, Kind.ALTER_TYPE)
_NONE = "None."


def _columns(op: Op) -> Iterable[Column]:
    """Columns that the op makes, or gives another type."""
    if op.kind is Kind.ALTER_TYPE and op.type:
        return (Column(op.name, op.type),)
    return (op.column,) if op.column else op.columns


def _typed(
    names: frozenset[str], better: str, *, long: bool = False
) -> Callable[[Op, State], str | None]:
    """A condition on the types of new columns; `long` asks for a length as well."""

    def condition(op: Op, _state: State) -> str | None:
        for column in _columns(op):
            if long and not column.type.mods:
                continue
            if column.type.name in names and not column.type.schema:
                return f"{column.name} is {column.type}; {better}"
        return None

    return condition


def _prefer(
    rule_id: str,
    names: frozenset[str],
    better: str,
    why: str,
    bad: str,
    good: str,
    *,
    long: bool = False,
) -> Rule:
    return Rule(
        id=rule_id,
        name=better[0].upper() + better[1:],
        severity=Severity.INFO,
        kinds=_NEW,
        condition=_typed(names, better, long=long),
        effect=_NONE,
        why=why,
        workaround=f"Use {good}.",
        bad=f"CREATE TABLE note (id bigint PRIMARY KEY, c {bad});",
        good=f"CREATE TABLE note (id bigint PRIMARY KEY, c {good});",
        off=True,
    )


def _long_name(op: Op, state: State) -> str | None:
    names = (op.name, op.value, op.table.name if op.table else "")
    for name in (*names, *[column.name for column in _columns(op)]):
        if len(name) < _SURELY_SHORT:
            continue
        # The parser has cut it already, as the server would.
        if len(name.encode()) >= LONGEST_NAME_BYTES - 3:
            longer = re.search(re.escape(name) + r"(?:[\w$]|[^\x00-\x7f])", state.text)
            if longer and len(longer[0].encode()) > LONGEST_NAME_BYTES:
                return f"{name}… is cut to {LONGEST_NAME_BYTES} bytes"
    return None


def _unqualified(op: Op, _state: State) -> str | None:
    if op.table is None or op.table.schema or "temporary" in op.flags:
        return None
    if op.kind is Kind.DROP and op.what not in _RELATIONS:
        return None
    return f"where {op.table} goes is left to the search_path"


_RELATIONS = frozenset({"table", "view", "materialized view", "foreign table"})


def _keyless(op: Op, state: State) -> str | None:
    kinds = {c.kind for c in op.constraints}
    kinds |= {c.kind for column in op.columns for c in column.constraints}
    skipped = {"partition", "temporary"} & op.flags
    if "primary" in kinds or skipped or op.other or _gets_key(op, state):
        return None
    if not op.columns and (op.kind is Kind.CREATE_TABLE or op.what != "table"):
        return None
    return f"{op.table} has no primary key, so changes of its rows cannot be replicated"


def _gets_key(op: Op, state: State) -> bool:
    """Whether the same file adds the primary key later, as CREATE TABLE AS must."""
    return any(
        later.kind is Kind.ADD_CONSTRAINT
        and later.constraint is not None
        and later.constraint.kind == "primary"
        and same_name(later.table, op.table)
        for later in state.later(op)
    )


def _rerunnable(op: Op, state: State) -> str | None:
    guarded = {"if_not_exists", "if_exists", "missing_ok", "replace"} & op.flags
    if guarded or state.transaction or _ends_with_session(op):
        return None
    return "run again after a failure half way, this statement fails"


def _ends_with_session(op: Op) -> bool:
    """Whether it is about a temporary table, which the next session does not have."""
    in_it = op.table is not None and op.table.schema == TEMPORARY
    return in_it or "temporary" in op.flags


def _unindexed(_op: Op, state: State) -> str | None:
    for key in state.file.changed_keys:
        table = state.tables.get(key)
        for constraint in table.constraints if table else ():
            if constraint.kind != "foreign" or table is None:
                continue
            first = constraint.columns[:1]
            if not any(index.names[:1] == first for index in table.indexes):
                return f"no index on {table.name} begins with {', '.join(first)}"
    return None


def _pattern(op: Op, state: State) -> str | None:
    for sort, name in _new_names(op) if state.names else ():
        wanted = state.names.get(sort)
        if name and wanted and not wanted.search(name):
            return f"{sort} {name} does not match {wanted.pattern}"
    return None


def _new_names(op: Op) -> Iterator[tuple[str, str]]:
    """The names that an op gives, with their sorts."""
    if op.kind in _NAMING and op.table:
        yield _NAMING[op.kind], op.table.name
    elif op.kind in _NAMING_BY_NAME:
        yield _NAMING_BY_NAME[op.kind], op.name
    elif op.kind is Kind.RENAME:
        yield op.what, op.value
    for column in _columns(op):
        yield "column", column.name
        yield from (("constraint", c.name) for c in column.constraints)
    yield from (("constraint", c.name) for c in op.constraints)


_NAMING = {
    Kind.CREATE_TABLE: "table",
    Kind.CREATE_TABLE_AS: "table",
    Kind.CREATE_VIEW: "view",
    Kind.CREATE_SEQUENCE: "sequence",
}
_NAMING_BY_NAME = {
    Kind.CREATE_INDEX: "index",
    Kind.CREATE_TRIGGER: "trigger",
    Kind.ADD_CONSTRAINT: "constraint",
}
# Bytes and alignment of types of fixed size, from pg_type.
_SIZES = {
    **dict.fromkeys(("int8", "float8", "timestamp", "timestamptz", "time"), (8, 8)),
    **dict.fromkeys(("money", "bigserial", "serial8", "xid8", "pg_lsn"), (8, 8)),
    **dict.fromkeys(("int4", "float4", "date", "oid", "serial", "serial4"), (4, 4)),
    **dict.fromkeys(("int2", "smallserial", "serial2"), (2, 2)),
    "bool": (1, 1),
    "char": (1, 1),
    "uuid": (16, 1),
    "interval": (16, 8),
    "timetz": (12, 8),
    "macaddr": (6, 4),
    "point": (16, 8),
}
# Less than this is lost in the padding of the row itself.
_WORTH_BYTES = 8


def _padded(op: Op, _state: State) -> str | None:
    sizes = [_SIZES.get(column.type.name) for column in op.columns]
    fixed = [size for size in sizes if size]
    if len(fixed) != len(sizes) and None in sizes[: len(fixed)]:
        return None
    lost = _length(fixed) - _length(sorted(fixed, key=lambda size: -size[1]))
    if lost < _WORTH_BYTES:
        return None
    return f"{lost} bytes of every row of {op.table} are padding between columns"


def _length(sizes: list[tuple[int, int]]) -> int:
    end = 0
    for size, align in sizes:
        end += -end % align + size
    return end


_ALL_NAMES = on(
    *(Kind.CREATE_TABLE, Kind.ADD_COLUMN, Kind.CREATE_INDEX, Kind.RENAME),
    *(Kind.ADD_CONSTRAINT, Kind.CREATE_TRIGGER),
)

_MORE_NAMES = on(
    *(Kind.CREATE_TABLE_AS, Kind.CREATE_VIEW, Kind.CREATE_SEQUENCE, Kind.DROP),
    *(Kind.CREATE_DOMAIN, Kind.CREATE_ENUM, Kind.DROP_COLUMN),
)
"""A name that is dropped is cut as well, and may then be another's."""

RULES = (
    _prefer(
        "prefer-bigint",
        frozenset({"int2", "int4", "serial", "smallserial", "serial4", "serial2"}),
        "bigint does not run out",
        "Widening a full int later rewrites the table.",
        "int",
        "bigint",
    ),
    _prefer(
        "prefer-text",
        frozenset({"varchar", "bpchar"}),
        "text with a CHECK is easier to widen",
        "A length in the type cannot be added NOT VALID.",
        "varchar(20)",
        "text",
        long=True,
    ),
    _prefer(
        "prefer-timestamptz",
        frozenset({"timestamp"}),
        "timestamptz names a moment",
        "A timestamp means another moment in each session's zone.",
        "timestamp",
        "timestamptz",
    ),
    _prefer(
        "prefer-identity",
        frozenset({"serial", "bigserial", "smallserial", "serial8", "serial4"}),
        "identity columns own their sequence",
        "Rights and drops of a serial's sequence are separate.",
        "bigserial",
        "bigint GENERATED ALWAYS AS IDENTITY",
    ),
    _prefer(
        "prefer-jsonb",
        frozenset({"json"}),
        "jsonb can be compared and indexed",
        "json has no equality, so a keyless table with it cannot be replicated.",
        "json",
        "jsonb",
    ),
    Rule(
        id="name-too-long",
        name="A name is longer than PostgreSQL keeps",
        severity=Severity.WARNING,
        kinds=_ALL_NAMES | _MORE_NAMES,
        condition=_long_name,
        effect=_NONE,
        why="It is cut without an error, and two names may become one.",
        workaround="A shorter name.",
        bad=f"CREATE TABLE {'n' * 64} (id bigint PRIMARY KEY);",
        good="CREATE TABLE note (id bigint PRIMARY KEY);",
    ),
    Rule(
        id="unqualified-name",
        name="A table is named without its schema",
        severity=Severity.INFO,
        kinds=on(
            *(Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS, Kind.CREATE_INDEX),
            *(Kind.ADD_COLUMN, Kind.DROP),
        ),
        condition=_unqualified,
        effect=_NONE,
        why="With another search_path it is another table.",
        workaround="Write the schema.",
        bad="CREATE TABLE note (id bigint PRIMARY KEY);",
        good="CREATE TABLE shop.note (id bigint PRIMARY KEY);",
        off=True,
    ),
    Rule(
        id="table-without-key",
        name="A table without a primary key",
        severity=Severity.WARNING,
        kinds=on(Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS),
        condition=_keyless,
        effect="None; a publisher refuses UPDATE and DELETE on it.",
        why="Once it is published, the application's UPDATE and DELETE fail.",
        workaround="A primary key, or REPLICA IDENTITY FULL where none can be had.",
        bad="CREATE TABLE note (body text);",
        good="CREATE TABLE note (id bigint PRIMARY KEY, body text);",
        off=True,
    ),
    Rule(
        id="not-rerunnable",
        name="The statement fails when it is run again",
        severity=Severity.INFO,
        kinds=on(
            *(Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS, Kind.ADD_COLUMN),
            *(Kind.DROP_COLUMN, Kind.DROP),
        ),
        condition=_rerunnable,
        effect=_NONE,
        why="A file that failed half way outside a transaction cannot be repeated.",
        workaround="IF [NOT] EXISTS, or a transaction.",
        bad="CREATE TABLE note (id bigint PRIMARY KEY);",
        good="CREATE TABLE IF NOT EXISTS note (id bigint PRIMARY KEY);",
        off=True,
    ),
    Rule(
        id="name-pattern",
        name="A new name does not match the project's pattern",
        severity=Severity.WARNING,
        kinds=_ALL_NAMES | on(*_NAMING),
        condition=_pattern,
        effect=_NONE,
        why="The project asks for it: `names` in the configuration.",
        workaround="Another name.",
        names={"index": "_idx$"},
        bad="CREATE INDEX CONCURRENTLY note_body ON note (body);",
        good="CREATE INDEX CONCURRENTLY note_body_idx ON note (body);",
    ),
    Rule(
        id="column-padding",
        name="The order of the columns wastes space in every row",
        severity=Severity.INFO,
        kinds=on(Kind.CREATE_TABLE),
        condition=_padded,
        effect="Larger rows: 8-byte values begin at multiples of 8.",
        why="On a large table the padding is read and cached with the rows for ever.",
        workaround="Wide columns of fixed size first, then narrow ones, then texts.",
        bad="CREATE TABLE note (a bool, id bigint PRIMARY KEY, b bool, c bigint);",
        good="CREATE TABLE note (id bigint PRIMARY KEY, c bigint, a bool, b bool);",
        off=True,
    ),
    Rule(
        id="foreign-key-without-index",
        name="A foreign key without an index",
        severity=Severity.INFO,
        kinds=on(Kind.END_OF_FILE),
        condition=_unindexed,
        effect="Each DELETE on the referenced table scans the referencing one.",
        why="Deletes grow slow, under locks on both tables.",
        workaround="An index that begins with the key's columns.",
        bad="CREATE TABLE note (id bigint PRIMARY KEY, author_id bigint REFERENCES "
        "author (id));",
        good="CREATE TABLE note (id bigint PRIMARY KEY, author_id bigint REFERENCES "
        "author (id));\nCREATE INDEX note_author ON note (author_id);",
        off=True,
    ),
)

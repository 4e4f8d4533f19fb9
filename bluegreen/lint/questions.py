"""What the rows decide: the questions that a statement puts to them, and the answers.

Pure. A question is asked of the rows as they are now, by `lint/server/probes.py`; the
rules in `rules/rows.py` read the answers. Asked only where the whole catalog is known,
and never of what the files themselves made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bluegreen.lint.tracking.state import State
from bluegreen.sql.expressions import is_null
from bluegreen.sql.ops import Constraint, Kind, Name, Op, Type
from bluegreen.sql.reading.parts import casts


class Question(NamedTuple):
    """One question, always of the form: how many rows are in the way?

    Attributes:
        kind: `rows` any at all, `nulls`, `duplicates`, `orphans`, `check` (that a CHECK
            refuses), `long` (values longer than `most`), `outside` (numbers that a
            smaller type does not hold), `labels` (texts that are no label of an enum).
        text: of a CHECK or of an index's predicate, as written; a type's name.
        most: the length or the bound.
        distinct: false where two NULLs count as the same.
    """

    kind: str
    table: Name
    columns: tuple[str, ...] = ()
    references: Name | None = None
    ref_columns: tuple[str, ...] = ()
    text: str = ""
    most: int = 0
    distinct: bool = True


class Answer(NamedTuple):
    """How many rows are in the way.

    Attributes:
        rows: None where it could not be seen.
        more: whether there may be more of them.
        why: why it could not be seen.
    """

    rows: int | None
    more: bool = False
    why: str = ""


def questions(op: Op, state: State) -> tuple[Question, ...]:
    """What `op` asks of rows that are there already."""
    ask = _ASKING.get(op.kind)
    if ask is None or op.table is None or not state.knowledge.whole:
        return ()
    known = state.knowledge.tables.get(op.table.key)
    if known is None or not state.filled(op.table):
        return ()
    changed = state.added_columns.get(op.table.key, set())
    return tuple(
        question
        for question in ask(op, state)
        if all(n in known.columns and n not in changed for n in question.columns)
        and (question.references is None or state.filled(question.references))
    )


def _set_not_null(op: Op, state: State) -> Iterator[Question]:
    if op.table and state.effect.scan:
        yield Question("nulls", op.table, (op.name,))


def _add_column(op: Op, state: State) -> Iterator[Question]:
    column = op.column
    if column is None or op.table is None or not column.not_null:
        return
    made = column.serial or column.identity or column.generated
    if not made and (column.default is None or is_null(column.default)):
        yield Question("rows", op.table)


def _add_constraint(op: Op, state: State) -> Iterator[Question]:
    found = op.constraint
    if found is None or op.table is None:
        return
    if found.kind == "check":
        text = check_text(state.text, found.at - op_start(state))
        state.check_texts[(op.table.key, state.name_of(op.table, found))] = text
    if found.valid and found.enforced and not found.using:
        yield from _of_constraint(op.table, found, state)


def _validate(op: Op, state: State) -> Iterator[Question]:
    found = state.constraint(op.table, op.name) if op.table else None
    if op.table and found and not found.valid:
        yield from _of_constraint(op.table, found, state)


def _of_constraint(table: Name, found: Constraint, state: State) -> Iterator[Question]:
    match found.kind:
        case "check":
            name = state.name_of(table, found)
            text = state.check_texts.get((table.key, name), "")
            # Without its text it is a constraint of the server's, asked for by name.
            yield Question("check", table, (), None, (name,), text)
        case "foreign" if found.references and found.columns:
            there = found.ref_columns or state.primary_key(found.references)
            yield Question("orphans", table, found.columns, found.references, there)
        case "unique":
            yield Question("duplicates", table, found.columns)
        case "primary":
            yield Question("duplicates", table, found.columns)
            known = state.table(table)
            kept = state.not_null_columns(known) if known else frozenset()
            for name in found.columns:
                if name not in kept:
                    yield Question("nulls", table, (name,))
        case "notnull" if state.effect.scan:
            yield Question("nulls", table, found.columns)


def _create_index(op: Op, state: State) -> Iterator[Question]:
    if "unique" not in op.flags or op.table is None or "" in op.names:
        return
    keys = op.names[: len(op.names) - int(op.value or 0)]
    where = ""
    if "partial" in op.flags:
        where = re.split(r"\bwhere\b", state.text, flags=re.IGNORECASE)[-1].strip()
    distinct = "nulls_not_distinct" not in op.flags
    yield Question("duplicates", op.table, keys, text=where, distinct=distinct)


_HOLDS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
_TEXTS = frozenset({"text", "varchar"})


def _alter_type(op: Op, state: State) -> Iterator[Question]:
    known = state.table(op.table) if op.table else None
    column = known.columns.get(op.name) if known else None
    if column is None or op.type is None or op.table is None:
        return
    old, new = column.type.stored, op.type
    if casts(op.expr, op.name) not in ([], [new]):
        return
    one = (op.name,)
    if old.array or new.array:
        return
    if _HOLDS.get(new.name, 2**64) < _HOLDS.get(old.name, 0):
        yield Question("outside", op.table, one, most=_HOLDS[new.name])
    elif old.name in _TEXTS and _shorter(old, new) and op.expr is None:
        # An explicit cast cuts longer values off, and refuses none.
        yield Question("long", op.table, one, most=new.mods[0])
    elif old.name in _TEXTS and new.key in state.knowledge.enums:
        enum = Name(new.schema, new.name)
        yield Question("labels", op.table, one, text=str(enum))


def _shorter(old: Type, new: Type) -> bool:
    limited = new.name in ("varchar", "bpchar") and bool(new.mods)
    return limited and (not old.mods or new.mods[0] < old.mods[0])


_ASKING: dict[Kind, Callable[[Op, State], Iterator[Question]]] = {
    Kind.SET_NOT_NULL: _set_not_null,
    Kind.ADD_COLUMN: _add_column,
    Kind.ADD_CONSTRAINT: _add_constraint,
    Kind.VALIDATE_CONSTRAINT: _validate,
    Kind.CREATE_INDEX: _create_index,
    Kind.ALTER_TYPE: _alter_type,
}


def op_start(state: State) -> int:
    """Where the present statement begins in its file."""
    return state.statement.at if state.statement else 0


_CHECK = r"(?i)\bcheck\s*\("
_STEP = r"'(?:[^']|'')*'|\"[^\"]*\"|[()]"


def check_text(text: str, at: int) -> str:
    """The expression of the CHECK that begins at or after `at`, without its brackets.

    Empty where it is written in a way that this does not follow, e.g. with dollar
    quotes that hold brackets; it is then not asked.
    """
    opened = re.compile(_CHECK).search(text, max(at, 0))
    if opened is None or "$" in text or "--" in text or "/*" in text:
        return ""
    depth = 1
    for step in re.compile(_STEP).finditer(text, opened.end()):
        depth += {"(": 1, ")": -1}.get(step[0], 0)
        if not depth:
            return text[opened.end() : step.start()].strip()
    return ""

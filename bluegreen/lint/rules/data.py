"""Rules about changes of data in migrations."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.expressions import always_true
from bluegreen.sql.ops import DATA, SCHEMA, Kind, Op


def _mixed(op: Op, state: State) -> str | None:
    if op.kind in DATA and state.filled_or_unknown(op) and state.file.schema:
        if _only_fresh(state):
            return None
        return "the file changes the schema above and data here"
    if op.kind in SCHEMA and state.file.data and state.filled(op.table):
        return "the file changes data above and the schema here"
    return None


def _only_fresh(state: State) -> bool:
    """Whether all that the file changed above are tables that it made itself."""
    return not state.file.changed and not state.file.other_schema


def _unbatched(op: Op, state: State) -> str | None:
    if not state.filled(op.table) or not always_true(op.expr):
        return None
    word = "UPDATE" if op.kind is Kind.UPDATE else "DELETE"
    return f"{word} touches every row of {op.table} in one transaction"


def _truncate(op: Op, state: State) -> str | None:
    if not state.filled(op.table):
        return None
    more = " and every table that references it" if "cascade" in op.flags else ""
    return f"TRUNCATE empties {op.table}{more}"


def _no_analyze(_op: Op, state: State) -> str | None:
    changed = [op.table for op in state.file.bulk.values() if state.filled(op.table)]
    big = [
        str(op.table)
        for op in state.file.bulk.values()
        if op.kind is not Kind.INSERT and op.table in changed
    ]
    if not big:
        return None
    return f"{', '.join(big)}: many rows changed, and no ANALYZE after it"


def _ids_by_hand(op: Op, state: State) -> str | None:
    if op.table is None or "values" not in op.flags:
        return None
    known = state.table(op.table)
    for name in op.names:
        column = known.columns.get(name) if known else None
        if column and (column.serial or column.identity):
            return f"{name} is written by hand, its sequence does not know"
    return None


RULES = (
    Rule(
        id="schema-and-data",
        name="Schema and data change in one file",
        severity=Severity.WARNING,
        kinds=DATA | SCHEMA,
        condition=_mixed,
        effect="In a transaction, the schema's locks are held while the rows change.",
        why="The two need different times, locks and ways back.",
        workaround="Two files: the schema first, the data in batches after it.",
        bad="ALTER TABLE note ADD COLUMN body text;\n"
        "UPDATE tag SET name = 'x' WHERE id = 7;",
        good="ALTER TABLE note ADD COLUMN body text;\n-- file: 2.sql\n"
        "UPDATE tag SET name = 'x' WHERE id = 7;",
        once="file",
    ),
    Rule(
        id="unbatched-change",
        name="UPDATE or DELETE of every row at once",
        severity=Severity.CRITICAL,
        kinds=on(Kind.UPDATE, Kind.DELETE),
        condition=_unbatched,
        effect="A row lock on every row to the end of the transaction, and a dead "
        "version of each.",
        why="Clients wait for rows, replicas lag, the table doubles.",
        workaround="Batches by key range, each in its own transaction, with FOR UPDATE "
        "SKIP LOCKED where clients write too.",
        bad="UPDATE note SET state = 'new' WHERE true;",
        good="UPDATE note SET state = 'new' WHERE id BETWEEN 1 AND 1000;",
        sized=True,
    ),
    Rule(
        id="truncate",
        name="TRUNCATE",
        severity=Severity.CRITICAL,
        kinds=on(Kind.TRUNCATE),
        condition=_truncate,
        effect="ACCESS EXCLUSIVE; the rows are gone.",
        why="Clients wait, and nothing brings the rows back.",
        workaround="DELETE in batches, or a new table.",
        bad="TRUNCATE note;",
        good="DELETE FROM note WHERE id BETWEEN 1 AND 1000;",
    ),
    Rule(
        id="no-analyze",
        name="Many rows change without ANALYZE",
        severity=Severity.INFO,
        kinds=on(Kind.END_OF_FILE),
        condition=_no_analyze,
        effect="None; plans go by the old statistics until autovacuum comes.",
        why="The first queries of the new release may choose bad plans.",
        workaround="ANALYZE the table at the end.",
        bad="UPDATE note SET state = 'new' WHERE id < 1000;",
        good="UPDATE note SET state = 'new' WHERE id < 1000;\nANALYZE note;",
        off=True,
    ),
    Rule(
        id="ids-without-setval",
        name="Ids are written by hand",
        severity=Severity.INFO,
        kinds=on(Kind.INSERT),
        condition=_ids_by_hand,
        effect="None.",
        why="The sequence will give the same ids again, and inserts will fail.",
        workaround="Leave the column out, or setval the sequence afterwards.",
        bad="CREATE TABLE kind (id bigserial, name text);\n"
        "INSERT INTO kind (id, name) VALUES (1, 'a');",
        good="CREATE TABLE kind (id bigserial, name text);\n"
        "INSERT INTO kind (name) VALUES ('a');",
        off=True,
    ),
)

"""Rules about columns that are added to a table in use."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, on
from bluegreen.lint.safe_forms import default_after
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.expressions import is_null
from bluegreen.sql.ops import Column, Kind, Op


def _added(op: Op, state: State) -> Column | None:
    if not state.filled(op.table) or state.has_column(op):
        return None
    return op.column


def _volatile(op: Op, state: State) -> str | None:
    column = _added(op, state)
    if column is None or column.serial or column.identity or column.generated:
        return None
    calls = state.volatility(column.default)
    if calls == "volatile":
        return f"the volatile default of {column.name} rewrites {op.table}"
    if calls == "unknown":
        return f"the default of {column.name} may be volatile and rewrite {op.table}"
    return None


def _serial(op: Op, state: State) -> str | None:
    column = _added(op, state)
    if column is None or not (column.serial or column.identity):
        return None
    sort = str(column.type) if column.serial else "identity"
    return f"{column.name} is {sort}: {op.table} is rewritten to number its rows"


def _stored(op: Op, state: State) -> str | None:
    column = _added(op, state)
    if column is None or column.generated != "s":
        return None
    return f"{column.name} is computed and stored for every row of {op.table}"


def _new_expression(op: Op, state: State) -> str | None:
    if not state.filled(op.table):
        return None
    return f"{op.name} is computed again and stored for every row of {op.table}"


def _domain(op: Op, state: State) -> str | None:
    column = _added(op, state)
    domain = state.domain(column.type) if column else None
    if column is None or domain is None or not domain.constrained:
        return None
    return f"{column.type} has constraints, so {op.table} is rewritten, default or not"


def _inline_check(op: Op, state: State) -> str | None:
    column = _added(op, state)
    if column and column.generated == "v" and column.not_null:
        return f"NOT NULL computes {column.name} for every row of {op.table}"
    for constraint in column.constraints if column else ():
        if constraint.kind == "check" and constraint.enforced:
            return f"the inline CHECK reads every row of {op.table}, NULL or not"
    return None


def _inline_reference(op: Op, state: State) -> str | None:
    column = _added(op, state)
    for constraint in column.constraints if column else ():
        if constraint.references:
            scan = " and reads both tables" if state.effect.scan else ""
            return f"REFERENCES blocks writes to {constraint.references} too{scan}"
    return None


def _inline_key(op: Op, state: State) -> str | None:
    column = _added(op, state)
    for constraint in column.constraints if column else ():
        if constraint.kind in ("unique", "primary"):
            return (
                f"its index is built under a lock that blocks all access to {op.table}"
            )
    return None


def _required(op: Op, state: State) -> str | None:
    column = _added(op, state)
    if column is None or not column.not_null:
        return None
    filled = column.default is not None and not is_null(column.default)
    if filled or column.serial or column.identity or column.generated:
        return None
    return f"{column.name} is NOT NULL without a default: {op.table} may have rows"


_ADD = on(Kind.ADD_COLUMN)
_REWRITE = "ACCESS EXCLUSIVE; the table and all its indexes are rewritten"

RULES = (
    Rule(
        id="volatile-default",
        name="A new column with a volatile default",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_volatile,
        effect=f"{_REWRITE} (11 and later; before, any default did). now() does not.",
        why="Reads and writes wait until every row has its own value.",
        workaround="Add the column empty, SET DEFAULT, then fill old rows in batches.",
        bad="ALTER TABLE note ADD COLUMN token uuid DEFAULT gen_random_uuid();",
        good="ALTER TABLE note ADD COLUMN token uuid;\n"
        "ALTER TABLE note ALTER COLUMN token SET DEFAULT gen_random_uuid();",
        fix=default_after,
        sized=True,
    ),
    Rule(
        id="add-serial-column",
        name="A new serial or identity column",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_serial,
        effect=f"{_REWRITE}, all versions.",
        why="Reads and writes wait until every row is numbered.",
        workaround="A nullable column and a sequence, the default set afterwards, old "
        "rows filled in batches.",
        bad="ALTER TABLE note ADD COLUMN number bigserial;",
        good="CREATE SEQUENCE note_number;\nALTER TABLE note ADD COLUMN "
        "number bigint;\n"
        "ALTER TABLE note ALTER COLUMN number SET DEFAULT nextval('note_number');",
        sized=True,
    ),
    Rule(
        id="add-stored-generated-column",
        name="A new stored generated column",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_stored,
        effect=f"{_REWRITE}, 12 and later. VIRTUAL (18) rewrites nothing.",
        why="Reads and writes wait until the value is computed for every row.",
        workaround="VIRTUAL on 18, or a plain column kept by a trigger.",
        bad="ALTER TABLE note ADD COLUMN size int GENERATED ALWAYS AS (length(body)) "
        "STORED;",
        good="ALTER TABLE note ADD COLUMN size int;",
        sized=True,
    ),
    Rule(
        id="set-expression",
        name="The expression of a stored generated column changes",
        severity=Severity.CRITICAL,
        kinds=on(Kind.SET_EXPRESSION),
        condition=_new_expression,
        effect=f"{_REWRITE}, 17 and later.",
        why="Reads and writes wait until the value is computed for every row.",
        workaround="A new column beside the old one, kept by a trigger.",
        bad="ALTER TABLE note ALTER COLUMN size SET EXPRESSION AS (length(body) + 1);",
        good="ALTER TABLE note ADD COLUMN size_next int;",
        sized=True,
    ),
    Rule(
        id="add-constrained-domain",
        name="A new column of a domain with constraints",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_domain,
        effect=f"{_REWRITE}, with or without a default, all versions.",
        why="PostgreSQL tests the domain row by row, NULL too.",
        workaround="The base type, and a CHECK added NOT VALID.",
        known="CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');",
        bad="ALTER TABLE note ADD COLUMN sender email;",
        good="ALTER TABLE note ADD COLUMN sender text;",
        sized=True,
    ),
    Rule(
        id="inline-check",
        name="ADD COLUMN with an inline CHECK",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_inline_check,
        effect="ACCESS EXCLUSIVE and a scan, even where every value is NULL.",
        why="Reads and writes wait for the scan.",
        workaround="Add the column, then the CHECK as a constraint NOT VALID.",
        bad="ALTER TABLE note ADD COLUMN size int CHECK (size > 0);",
        good="ALTER TABLE note ADD COLUMN size int;\n"
        "ALTER TABLE note ADD CONSTRAINT note_size CHECK (size > 0) NOT VALID;",
        sized=True,
    ),
    Rule(
        id="inline-reference",
        name="ADD COLUMN with REFERENCES",
        severity=Severity.WARNING,
        kinds=_ADD,
        condition=_inline_reference,
        effect="SHARE ROW EXCLUSIVE on the referenced table, ACCESS EXCLUSIVE on this "
        "one; both are scanned when there is a default.",
        why="Two tables are locked at once for what one could wait for.",
        workaround="Add the column, then the foreign key NOT VALID, then VALIDATE.",
        bad="ALTER TABLE note ADD COLUMN author_id bigint REFERENCES author (id);",
        good="ALTER TABLE note ADD COLUMN author_id bigint;\n-- file: 2.sql\n"
        "ALTER TABLE note ADD CONSTRAINT note_author FOREIGN KEY (author_id) "
        "REFERENCES author (id) NOT VALID;",
    ),
    Rule(
        id="inline-unique",
        name="ADD COLUMN with UNIQUE or PRIMARY KEY",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_inline_key,
        effect="ACCESS EXCLUSIVE while the index is built, all versions.",
        why="Reads and writes wait for the build.",
        workaround="Add the column, build a unique index CONCURRENTLY, then ADD … "
        "USING INDEX.",
        bad="ALTER TABLE note ADD COLUMN slug text UNIQUE;",
        good="ALTER TABLE note ADD COLUMN slug text;\n"
        "CREATE UNIQUE INDEX CONCURRENTLY note_slug ON note (slug);",
        sized=True,
    ),
    Rule(
        id="required-column",
        name="A new NOT NULL column without a default",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_required,
        effect="ACCESS EXCLUSIVE; fails with SQLSTATE 23502 on a table with rows.",
        why="It fails, or, on an empty table, every old client's INSERT does.",
        workaround="Add it nullable, fill it, then NOT NULL by proof; or give a "
        "default.",
        bad="ALTER TABLE note ADD COLUMN title text NOT NULL;",
        good="ALTER TABLE note ADD COLUMN title text NOT NULL DEFAULT '';",
    ),
)

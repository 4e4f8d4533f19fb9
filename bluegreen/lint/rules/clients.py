"""Rules about clients of the release before, which still run."""

from __future__ import annotations

from bluegreen.lint.effects.effect import Rewrite
from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op


def _drop_column(op: Op, state: State) -> str | None:
    if not state.filled(op.table):
        return None
    return f"clients that still read {op.table}.{op.name} get errors, its data is gone"


def _drop_table(op: Op, state: State) -> str | None:
    if op.what not in ("table", "foreign table") or op.table is None:
        return None
    if not state.filled(op.table):
        return None
    known_as = state.file.renamed.get(op.table.key, op.table)
    if known_as == op.table:
        return f"clients that still use {op.table} get errors, its data is gone"
    if known_as.key in state.tables:
        return f"the rows that were in {known_as} until this file are gone"
    return f"clients that still use {known_as} get errors, its data is gone"


def _drop_all(op: Op, _state: State) -> str | None:
    if op.what not in ("schema", "database", "owned"):
        return None
    return f"DROP {op.what.upper()} takes everything in it along"


def _cascade(op: Op, _state: State) -> str | None:
    if "cascade" not in op.flags:
        return None
    return "CASCADE drops what the file does not name"


def _rename_column(op: Op, state: State) -> str | None:
    if op.what != "column" or not state.filled(op.table):
        return None
    return f"clients that still say {op.name} instead of {op.value} get errors"


def _rename_table(op: Op, state: State) -> str | None:
    if op.what not in ("table", "view", "materialized view", "foreign table"):
        return None
    if not state.filled(op.table):
        return None
    return f"clients that still say {op.table} instead of {op.value} get errors"


_NAMED = frozenset(
    {
        *("schema", "type", "domain", "function", "sequence", "procedure", "routine"),
        *("aggregate", "attribute", "database", "role"),
    }
)


def _rename_other(op: Op, _state: State) -> str | None:
    if op.what not in _NAMED:
        return None
    return f"clients that still use the old name of the {op.what} get errors"


def _set_schema(op: Op, state: State) -> str | None:
    if not state.filled(op.table):
        return None
    return f"clients no longer find {op.table} where it was"


def _default_changes(op: Op, state: State) -> str | None:
    known = state.table(op.table) if op.table else None
    if not state.filled(op.table):
        return None
    column = known.columns.get(op.name) if known else None
    if op.kind is Kind.SET_DEFAULT and column and column.default is None:
        return None
    if op.kind is Kind.SET_DEFAULT and column is None:
        return None
    return f"clients that leave {op.name} out write another value from now on"


def _drop_not_null(op: Op, state: State) -> str | None:
    if not state.filled(op.table):
        return None
    return f"clients that do not expect NULL in {op.name} will meet it"


def _swapped(op: Op, state: State) -> str | None:
    if op.table is None or op.column is None:
        return None
    if (op.table.key, op.column.name) not in state.file.dropped_names:
        return None
    return f"{op.column.name} is dropped and made again: the old values are lost"


def _enum_rename(op: Op, _state: State) -> str | None:
    return f"clients that still write {op.name!r} get errors"


def _enum_placed(op: Op, _state: State) -> str | None:
    if "placed" not in op.flags:
        return None
    return f"{op.value!r} is put between other values, which changes their order"


def _enum_used(op: Op, state: State) -> str | None:
    values = state.transaction.values if state.transaction else None
    if not values:
        return None
    text = state.text
    for value in sorted(values):
        if f"'{value}'" in text:
            return f"{value!r} was added in this transaction and cannot be used in it"
    return None


def _no_dual_write(op: Op, state: State) -> str | None:
    """A copy of one column into another, with nothing that keeps the two alike."""
    if op.table is None or not state.filled(op.table):
        return None
    added = state.added_columns.get(op.table.key, set())
    copied = added & set(op.names)
    if not copied or op.table.key in state.kept_by_trigger:
        return None
    name = sorted(copied)[0]
    return f"{name} is filled, but no trigger keeps it while old clients write"


def _used_before(op: Op, state: State) -> str | None:
    if op.table is None or {"if_not_exists", "temporary"} & op.flags:
        return None
    if op.table.key in state.dropped_ever:
        return None
    files = state.touched.get(op.table.key)
    return (
        f"{sorted(files)[0]} changes {op.table} before it is made here"
        if files
        else None
    )


def _rebuilt(op: Op, state: State) -> str | None:
    if op.table is None or state.effect.rewrite is not Rewrite.HEAP:
        return None
    built = state.built_indexes.get(op.table.key)
    if built is None or not state.filled(op.table):
        return None
    return f"index {built} of this set is built again by this rewrite"


RULES = (
    Rule(
        id="drop-column",
        name="A column is dropped",
        severity=Severity.WARNING,
        kinds=on(Kind.DROP_COLUMN),
        condition=_drop_column,
        effect="ACCESS EXCLUSIVE, short; indexes and constraints on it go too.",
        why="Clients of the release before still name it; ORMs name every column.",
        workaround="Deprecate first: stop using it, let the ORM ignore it, wait one "
        "release, then drop it and say so in an ignore.",
        bad="ALTER TABLE note DROP COLUMN body;",
        good="COMMENT ON COLUMN note.body IS 'not read since 4.2';",
    ),
    Rule(
        id="drop-table",
        name="A table is dropped",
        severity=Severity.WARNING,
        kinds=on(Kind.DROP),
        condition=_drop_table,
        effect="ACCESS EXCLUSIVE, and on every table that it references.",
        why="Clients of the release before still use it, and the rows are gone.",
        workaround="Deprecate first: rename it aside once nothing uses it, drop "
        "it later.",
        bad="DROP TABLE note;",
        good="CREATE TABLE scratch (id bigint);\nDROP TABLE scratch;",
    ),
    Rule(
        id="drop-schema",
        name="A schema, a database or all of a role's objects are dropped",
        severity=Severity.CRITICAL,
        kinds=on(Kind.DROP),
        condition=_drop_all,
        effect="ACCESS EXCLUSIVE on every table in it.",
        why="The file does not show what is lost.",
        workaround="Drop the objects by name, each once it is unused.",
        bad="DROP SCHEMA old;",
        good="CREATE SCHEMA fresh;",
    ),
    Rule(
        id="drop-cascade",
        name="DROP … CASCADE",
        severity=Severity.CRITICAL,
        kinds=on(Kind.DROP, Kind.DROP_COLUMN, Kind.DROP_CONSTRAINT),
        condition=_cascade,
        effect="ACCESS EXCLUSIVE on tables that the file does not name.",
        why="Views, foreign keys and columns elsewhere go without a word.",
        workaround="Drop the dependents by name first.",
        bad="DROP VIEW note_count CASCADE;",
        good="DROP INDEX CONCURRENTLY note_body;",
        also=frozenset({"drop-object"}),
    ),
    Rule(
        id="rename-column",
        name="A column is renamed",
        severity=Severity.CRITICAL,
        kinds=on(Kind.RENAME),
        condition=_rename_column,
        effect="ACCESS EXCLUSIVE, short.",
        why="Between the rename and the last restart, one of both releases fails.",
        workaround="Expand and contract: a new column, a trigger that writes both, a "
        "backfill, move the readers, then drop the old one.",
        bad="ALTER TABLE note RENAME COLUMN body TO content;",
        good="ALTER TABLE note ADD COLUMN content text;",
    ),
    Rule(
        id="rename-table",
        name="A table or view is renamed",
        severity=Severity.CRITICAL,
        kinds=on(Kind.RENAME),
        condition=_rename_table,
        effect="ACCESS EXCLUSIVE, short.",
        why="Between the rename and the last restart, one of both releases fails.",
        workaround="Expand and contract: a view under one of the names, or a "
        "partitioned shell where the table is replicated.",
        bad="ALTER TABLE note RENAME TO memo;",
        good="CREATE VIEW memo AS SELECT * FROM note;",
    ),
    Rule(
        id="rename-object",
        name="A schema, type, function or sequence is renamed",
        severity=Severity.WARNING,
        kinds=on(Kind.RENAME),
        condition=_rename_other,
        effect="None on tables.",
        why="Clients of the release before still use the old name.",
        workaround="Make the new one beside the old one, drop the old one later.",
        bad="ALTER TYPE mood RENAME TO feeling;",
        good="CREATE TYPE feeling AS ENUM ('good');",
    ),
    Rule(
        id="set-schema",
        name="An object moves to another schema",
        severity=Severity.WARNING,
        kinds=on(Kind.SET_SCHEMA),
        condition=_set_schema,
        effect="ACCESS EXCLUSIVE, short.",
        why="Qualified names of the release before no longer lead to it.",
        workaround="A view in the old place, or move it in a contract step.",
        bad="ALTER TABLE note SET SCHEMA archive;",
        good="CREATE VIEW archive.note AS SELECT * FROM public.note;",
    ),
    Rule(
        id="default-changes",
        name="A default is changed or dropped",
        severity=Severity.INFO,
        kinds=on(Kind.SET_DEFAULT, Kind.DROP_DEFAULT),
        condition=_default_changes,
        effect="ACCESS EXCLUSIVE, short.",
        why="Old clients that leave the column out write other values, or fail.",
        workaround="Let the application write the value itself first.",
        bad="ALTER TABLE note ALTER COLUMN state DROP DEFAULT;",
        good="ALTER TABLE note ADD COLUMN state text DEFAULT 'new';",
    ),
    Rule(
        id="drop-not-null",
        name="DROP NOT NULL",
        severity=Severity.INFO,
        kinds=on(Kind.DROP_NOT_NULL),
        condition=_drop_not_null,
        effect="ACCESS EXCLUSIVE, short.",
        why="Old clients do not expect NULL, and it cannot be taken back with rows.",
        workaround="Let every reader bear NULL first.",
        bad="ALTER TABLE note ALTER COLUMN body DROP NOT NULL;",
        good="ALTER TABLE note ADD COLUMN title text;",
    ),
    Rule(
        id="column-made-again",
        name="A column is dropped and made again under the same name",
        severity=Severity.CRITICAL,
        kinds=on(Kind.ADD_COLUMN),
        condition=_swapped,
        effect="ACCESS EXCLUSIVE.",
        why="The values are lost, and two releases mean two things by one name.",
        workaround="A new name for the new meaning.",
        bad="ALTER TABLE note DROP COLUMN size;\nALTER TABLE note ADD "
        "COLUMN size text;",
        good="ALTER TABLE note ADD COLUMN size_text text;",
        also=frozenset({"drop-column"}),
    ),
    Rule(
        id="enum-value-renamed",
        name="An enum value is renamed",
        severity=Severity.CRITICAL,
        kinds=on(Kind.RENAME_ENUM_VALUE),
        condition=_enum_rename,
        effect="None on tables.",
        why="Enums are append-only: old clients write the old label and fail, and a "
        "replica without the new label stops.",
        workaround="Append the new value, move the rows, leave the old one unused.",
        bad="ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';",
        good="ALTER TYPE mood ADD VALUE 'blue';",
    ),
    Rule(
        id="enum-value-placed",
        name="An enum value is not appended",
        severity=Severity.WARNING,
        kinds=on(Kind.ADD_ENUM_VALUE),
        condition=_enum_placed,
        effect="None on tables.",
        why="Clients that hold the order of the values sort and compare otherwise.",
        workaround="Append it; keep a display order in a table.",
        bad="ALTER TYPE mood ADD VALUE 'calm' BEFORE 'sad';",
        good="ALTER TYPE mood ADD VALUE 'calm';",
    ),
    Rule(
        id="enum-value-used-early",
        name="An enum value is used in the transaction that adds it",
        severity=Severity.CRITICAL,
        kinds=frozenset(Kind) - on(Kind.ADD_ENUM_VALUE, Kind.END_OF_FILE),
        condition=_enum_used,
        effect="None: PostgreSQL refuses it with SQLSTATE 55P04.",
        why="The migration fails at this statement.",
        workaround="Add the value in a file of its own.",
        bad="BEGIN;\nALTER TYPE mood ADD VALUE 'calm';\n"
        "INSERT INTO day (mood) VALUES ('calm');\nCOMMIT;",
        good="ALTER TYPE mood ADD VALUE 'calm';\n-- file: 2.sql\n"
        "INSERT INTO day (mood) VALUES ('calm');",
        also=frozenset({"schema-and-data"}),
    ),
    Rule(
        id="skipped-dual-write",
        name="A new column is filled, and nothing writes both",
        severity=Severity.WARNING,
        kinds=on(Kind.UPDATE),
        condition=_no_dual_write,
        effect="None.",
        why="Rows that old clients write after the backfill never get the new value.",
        workaround="Install the trigger that writes both first, then fill the "
        "old rows.",
        bad="ALTER TABLE note ADD COLUMN content text;\n-- file: 2.sql\n"
        "UPDATE note SET content = body WHERE id BETWEEN 1 AND 1000;",
        good="ALTER TABLE note ADD COLUMN content text;\n"
        "CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON note FOR EACH ROW "
        "EXECUTE FUNCTION write_both();\n-- file: 2.sql\n"
        "UPDATE note SET content = body WHERE id BETWEEN 1 AND 1000;",
        once="file",
    ),
    Rule(
        id="used-before-made",
        name="A table is changed by a file before the one that makes it",
        severity=Severity.WARNING,
        kinds=on(Kind.CREATE_TABLE),
        condition=_used_before,
        effect="None: the earlier file fails, or this statement does.",
        why="Either the order of the files is wrong, or the table is there already.",
        workaround="Put the file that makes the table first.",
        bad="ALTER TABLE note ADD COLUMN title text;\n-- file: 2.sql\n"
        "CREATE TABLE note (id bigint PRIMARY KEY);",
        good="CREATE TABLE note (id bigint PRIMARY KEY);\n-- file: 2.sql\n"
        "ALTER TABLE note ADD COLUMN title text;",
    ),
    Rule(
        id="index-built-then-rewritten",
        name="An index is built, then built again by a rewrite",
        severity=Severity.INFO,
        kinds=on(Kind.ALTER_TYPE, Kind.ADD_COLUMN, Kind.SET_LOGGED),
        condition=_rebuilt,
        effect="The rewrite builds every index again, under ACCESS EXCLUSIVE.",
        why="The first build was for nothing, and makes the rewrite longer.",
        workaround="Rewrite first, then build.",
        bad="CREATE INDEX CONCURRENTLY note_body ON note (body);\n-- file: 2.sql\n"
        "ALTER TABLE note ADD COLUMN number bigserial;",
        good="CREATE INDEX CONCURRENTLY note_body ON note (body);\n-- file: 2.sql\n"
        "ALTER TABLE note ADD COLUMN number bigint;",
        also=frozenset({"add-serial-column"}),
    ),
)

"""Rules about constraints: added, proved, and dropped."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, on
from bluegreen.lint.safe_forms import index_first, not_valid, prove_not_null
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.constraint_names import default_name
from bluegreen.sql.ops import Constraint, Kind, Op


def _added(op: Op, state: State, *kinds: str) -> Constraint | None:
    """The constraint that is added to a table in use, when it is of these kinds."""
    found = op.constraint
    if found and found.kind in kinds and state.filled(op.table):
        return found
    return None


def _foreign(op: Op, state: State) -> str | None:
    found = _added(op, state, "foreign")
    if found is None or not (found.valid and found.enforced):
        return None
    if op.table == found.references:
        return f"the foreign key reads {op.table} while it refuses writes"
    both = f"{op.table} and {found.references}"
    return f"the foreign key reads {both} while both refuse writes"


def _check(op: Op, state: State) -> str | None:
    found = _added(op, state, "check")
    if found is None or not (found.valid and found.enforced):
        return None
    return (
        f"the CHECK reads every row of {op.table} under a lock that blocks all other "
        "access"
    )


def _early_validate(op: Op, state: State) -> str | None:
    if op.table is None or not state.filled(op.table):
        return None
    if state.effect.scan and state.effect.why:
        lock = state.effect.locks[0][1]
        return f"{op.name} is validated under {lock}, which the same ALTER TABLE takes"
    if state.transaction is None:
        return None
    if (op.table.key, op.name) not in state.transaction.unproved:
        return None
    return f"{op.name} was added in this transaction, whose lock is still held"


def _not_null(op: Op, state: State) -> str | None:
    notnull = op.kind is Kind.SET_NOT_NULL or _added(op, state, "notnull")
    if not notnull or not state.filled(op.table) or not state.effect.scan:
        return None
    if state.effect.why:
        return None
    return (
        f"SET NOT NULL reads every row of {op.table} under a lock that blocks all "
        "other access"
    )


def _proof_dropped(op: Op, state: State) -> str | None:
    lost = state.effect.scan and state.effect.why and state.filled(op.table)
    return state.effect.why if lost else None


def _unique(op: Op, state: State) -> str | None:
    found = _added(op, state, "unique")
    if found is None or found.using:
        return None
    return (
        "the index of the UNIQUE is built under a lock that blocks all access to "
        f"{op.table}"
    )


def _primary(op: Op, state: State) -> str | None:
    found = _added(op, state, "primary")
    if found is None or found.using:
        return None
    return (
        "the index of the PRIMARY KEY is built under a lock that blocks all access "
        f"to {op.table}"
    )


def _primary_nullable(op: Op, state: State) -> str | None:
    found = _added(op, state, "primary")
    if found is None or not found.using or not state.effect.scan:
        return None
    known = state.table(op.table) if op.table else None
    if known is None or not known.complete:
        return None
    return (
        f"the key's columns are not NOT NULL yet, so {op.table} is read under the lock"
    )


def _exclude(op: Op, state: State) -> str | None:
    if _added(op, state, "exclude") is None:
        return None
    return (
        "EXCLUDE builds its index under a lock that blocks all access to "
        f"{op.table}; no other way exists"
    )


def _drop_foreign(op: Op, state: State) -> str | None:
    found = state.constraint(op.table, op.name) if op.table else None
    if found is None or not found.references or not state.filled(op.table):
        return None
    both = dict.fromkeys((op.table, found.references))
    return (
        f"dropping {op.name} locks {' and '.join(map(str, both))} against all sessions"
    )


def _drop_constraint(op: Op, state: State) -> str | None:
    if op.table is None or not state.filled(op.table):
        return None
    found = state.constraint(op.table, op.name)
    if found and found.references:
        return None
    if _own_proof(op, state):
        return None
    return f"clients may count on {op.name}, and rows that break it can now come in"


def _own_proof(op: Op, state: State) -> bool:
    """A CHECK that only proved a NOT NULL may go once the column is NOT NULL."""
    found = state.constraint(op.table, op.name) if op.table else None
    known = state.table(op.table) if op.table else None
    if found is None or known is None or found.kind != "check":
        return False
    from_set = {o.name for o in state.siblings if o.kind is Kind.SET_NOT_NULL}
    proved = state.proved_not_null(op.table, op.name) if op.table else frozenset()
    return bool(proved) and proved <= from_set | state.not_null_columns(known)


def _restriction(op: Op, state: State) -> str | None:
    if op.kind is Kind.SET_NOT_NULL:
        return f"clients that write NULL into {op.name} get errors from now on"
    found = _added(op, state, "check", "foreign", "unique", "exclude", "notnull")
    if found is None or not found.enforced or op.table is None:
        return None
    name = found.name or default_name(op.table, found)
    return f"clients that break {name} get errors from now on, NOT VALID or not"


_ADD = on(Kind.ADD_CONSTRAINT)

RULES = (
    Rule(
        id="foreign-key-validated",
        name="A foreign key is checked as it is added",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_foreign,
        effect="SHARE ROW EXCLUSIVE on both tables and a scan of both, all versions.",
        why="Writes to both tables wait until every row was looked up.",
        workaround="ADD … NOT VALID, then VALIDATE CONSTRAINT in a later transaction.",
        bad="ALTER TABLE note ADD CONSTRAINT note_author FOREIGN KEY (author_id) "
        "REFERENCES author (id);",
        good="ALTER TABLE note ADD CONSTRAINT note_author FOREIGN KEY (author_id) "
        "REFERENCES author (id) NOT VALID;\n"
        "ALTER TABLE note VALIDATE CONSTRAINT note_author;",
        fix=not_valid,
        sized=True,
    ),
    Rule(
        id="check-validated",
        name="A CHECK is tested as it is added",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_check,
        effect="ACCESS EXCLUSIVE on the table and a scan of it, all versions.",
        why="Reads and writes wait until every row was tested.",
        workaround="ADD … NOT VALID, then VALIDATE CONSTRAINT in a later transaction.",
        bad="ALTER TABLE note ADD CONSTRAINT note_size CHECK (size > 0);",
        good="ALTER TABLE note ADD CONSTRAINT note_size CHECK (size > 0) NOT VALID;\n"
        "ALTER TABLE note VALIDATE CONSTRAINT note_size;",
        fix=not_valid,
        sized=True,
    ),
    Rule(
        id="validate-in-same-transaction",
        name="VALIDATE shares a transaction with NOT VALID, or an ALTER with others",
        severity=Severity.CRITICAL,
        kinds=on(Kind.VALIDATE_CONSTRAINT),
        condition=_early_validate,
        effect="The lock of the ADD is held during the scan, all versions; one ALTER "
        "TABLE takes the strongest lock of its parts for all of them.",
        why="Parting the two is the whole point; together they block as one would.",
        workaround="VALIDATE in a file of its own.",
        bad="BEGIN;\nALTER TABLE note ADD CONSTRAINT note_size CHECK (size > 0) "
        "NOT VALID;\nALTER TABLE note VALIDATE CONSTRAINT note_size;\nCOMMIT;",
        good="ALTER TABLE note ADD CONSTRAINT note_size CHECK (size > 0) NOT VALID;\n"
        "-- file: 2.sql\nALTER TABLE note VALIDATE CONSTRAINT note_size;",
        also=frozenset({"statement-under-lock"}),
    ),
    Rule(
        id="set-not-null",
        name="SET NOT NULL without a proof",
        severity=Severity.CRITICAL,
        kinds=on(Kind.SET_NOT_NULL, Kind.ADD_CONSTRAINT),
        condition=_not_null,
        effect="ACCESS EXCLUSIVE and a scan. None where a valid CHECK (c IS NOT NULL) "
        "exists (12 and later); 18 has NOT NULL … NOT VALID.",
        why="Reads and writes wait until every row was looked at.",
        workaround="CHECK (c IS NOT NULL) NOT VALID, VALIDATE, SET NOT NULL, then drop "
        "the CHECK, each in a statement of its own.",
        bad="ALTER TABLE note ALTER COLUMN body SET NOT NULL;",
        good="ALTER TABLE note ADD CONSTRAINT body_there CHECK (body IS NOT NULL) "
        "NOT VALID;\n-- file: 2.sql\n"
        "ALTER TABLE note VALIDATE CONSTRAINT body_there;\n-- file: 3.sql\n"
        "ALTER TABLE note ALTER COLUMN body SET NOT NULL;\n"
        "ALTER TABLE note DROP CONSTRAINT body_there;",
        fix=prove_not_null,
        sized=True,
    ),
    Rule(
        id="not-null-proof-dropped",
        name="The CHECK that proves NOT NULL is dropped in the same ALTER",
        severity=Severity.CRITICAL,
        kinds=on(Kind.SET_NOT_NULL),
        condition=_proof_dropped,
        effect="ACCESS EXCLUSIVE, and the scan comes back, 12 and later.",
        why="Within one ALTER TABLE drops go first, so the proof is gone when needed.",
        workaround="Drop the CHECK in a later statement.",
        bad="ALTER TABLE note ADD CONSTRAINT body_there CHECK (body IS NOT NULL) "
        "NOT VALID;\n-- file: 2.sql\n"
        "ALTER TABLE note VALIDATE CONSTRAINT body_there;\n-- file: 3.sql\n"
        "ALTER TABLE note ALTER COLUMN body SET NOT NULL, DROP CONSTRAINT body_there;",
        good="ALTER TABLE note ADD CONSTRAINT body_there CHECK (body IS NOT NULL) "
        "NOT VALID;\n-- file: 2.sql\n"
        "ALTER TABLE note VALIDATE CONSTRAINT body_there;\n-- file: 3.sql\n"
        "ALTER TABLE note ALTER COLUMN body SET NOT NULL;\n"
        "ALTER TABLE note DROP CONSTRAINT body_there;",
        sized=True,
    ),
    Rule(
        id="unique-built-inline",
        name="A UNIQUE constraint builds its index under the lock",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_unique,
        effect="ACCESS EXCLUSIVE while the index is built, all versions.",
        why="Reads and writes wait for the build.",
        workaround="CREATE UNIQUE INDEX CONCURRENTLY, then ADD … UNIQUE USING INDEX.",
        bad="ALTER TABLE note ADD CONSTRAINT note_slug UNIQUE (slug);",
        good="CREATE UNIQUE INDEX CONCURRENTLY note_slug ON note (slug);\n"
        "ALTER TABLE note ADD CONSTRAINT note_slug UNIQUE USING INDEX note_slug;",
        fix=index_first,
        sized=True,
    ),
    Rule(
        id="primary-key-built-inline",
        name="A PRIMARY KEY builds its index under the lock",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_primary,
        effect="ACCESS EXCLUSIVE, the build, and one more scan for nullable columns.",
        why="Reads and writes wait for both.",
        workaround="Make the columns NOT NULL by proof, build the unique index "
        "CONCURRENTLY, then ADD … PRIMARY KEY USING INDEX.",
        bad="ALTER TABLE note ADD PRIMARY KEY (id);",
        good="CREATE UNIQUE INDEX CONCURRENTLY note_pkey ON note (id);\n"
        "ALTER TABLE note ADD PRIMARY KEY USING INDEX note_pkey;",
        fix=index_first,
        sized=True,
    ),
    Rule(
        id="primary-key-nullable",
        name="A PRIMARY KEY takes columns that may be NULL",
        severity=Severity.WARNING,
        kinds=_ADD,
        condition=_primary_nullable,
        effect="ACCESS EXCLUSIVE and a scan to show that no NULL is there.",
        why="The ready index spares the build, but not this scan.",
        workaround="Make the columns NOT NULL by proof first.",
        known="CREATE TABLE note (id bigint, body text);",
        bad="CREATE UNIQUE INDEX CONCURRENTLY note_pkey ON note (id);\n"
        "ALTER TABLE note ADD PRIMARY KEY USING INDEX note_pkey;",
        good="CREATE INDEX CONCURRENTLY note_id ON note (id);",
        sized=True,
    ),
    Rule(
        id="exclude-constraint",
        name="EXCLUDE on a table in use",
        severity=Severity.CRITICAL,
        kinds=_ADD,
        condition=_exclude,
        effect="ACCESS EXCLUSIVE and two scans, all versions.",
        why="There is no NOT VALID and no USING INDEX for it.",
        workaround="A new table with the constraint, filled beside the old one.",
        bad="ALTER TABLE booking ADD CONSTRAINT no_overlap EXCLUDE USING gist "
        "(span WITH &&);",
        good="CREATE TABLE booking_next (span tstzrange, EXCLUDE USING gist "
        "(span WITH &&));",
        sized=True,
    ),
    Rule(
        id="drop-foreign-key",
        name="Dropping a foreign key locks both tables",
        severity=Severity.WARNING,
        kinds=on(Kind.DROP_CONSTRAINT),
        condition=_drop_foreign,
        effect="ACCESS EXCLUSIVE on both tables, all versions.",
        why="Two tables must be free at once; readers of either queue behind it.",
        workaround="A short lock_timeout and retries, alone in its transaction.",
        known="CREATE TABLE author (id bigint PRIMARY KEY);\nCREATE TABLE note "
        "(author_id bigint CONSTRAINT note_author REFERENCES author);",
        bad="ALTER TABLE note DROP CONSTRAINT note_author;",
        good="ALTER TABLE note ADD COLUMN editor_id bigint;",
    ),
    Rule(
        id="drop-constraint",
        name="A constraint is dropped",
        severity=Severity.INFO,
        kinds=on(Kind.DROP_CONSTRAINT),
        condition=_drop_constraint,
        effect="ACCESS EXCLUSIVE, short; a foreign key locks the other table too.",
        why="Rows that break it can come in at once, and then it cannot come back.",
        workaround="Drop it once no release counts on it.",
        bad="ALTER TABLE note DROP CONSTRAINT note_size;",
        good="ALTER TABLE note VALIDATE CONSTRAINT note_size;",
    ),
    Rule(
        id="new-restriction",
        name="A new constraint can refuse what clients write today",
        severity=Severity.INFO,
        kinds=on(Kind.ADD_CONSTRAINT, Kind.SET_NOT_NULL),
        condition=_restriction,
        effect="None beyond the lock: NOT VALID too is enforced for new rows.",
        why="The release before does not know the rule.",
        workaround="Let every release that still runs keep to the rule first.",
        bad="ALTER TABLE note ADD CONSTRAINT note_size CHECK (size > 0) NOT VALID;",
        good="ALTER TABLE note ADD COLUMN size bigint;",
        off=True,
    ),
)

"""Rules about transactions, locks that pile up, timeouts and session settings."""

from __future__ import annotations

import re

from bluegreen.lint.effects.effect import Lock
from bluegreen.lint.rule import Rule, on
from bluegreen.lint.safe_forms import timeout_first
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import DATA, SCHEMA, Kind, Op

# Longer than this, and every query behind the waiting lock has noticed.
LONGEST_LOCK_TIMEOUT_MS = 10_000
_UNIT_MS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
_UNIT_MS |= {"d": 86_400_000, "": 1}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")
# More tables than this in one transaction, and it will meet another in the wrong order.
MOST_TABLES_PER_TRANSACTION = 2
_LOCKING = SCHEMA | on(
    Kind.TRUNCATE, Kind.CLUSTER, Kind.REFRESH, Kind.LOCK_TABLE, Kind.REINDEX
)
_TIMEOUTS = frozenset(
    {"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"}
)


def milliseconds(value: str) -> float | None:
    """A timeout as PostgreSQL reads it; None when it is none."""
    match = _AMOUNT.fullmatch(value.lower())
    if match is None or match[2] not in _UNIT_MS:
        return None
    return float(match[1]) * _UNIT_MS[match[2]]


def _no_lock_timeout(op: Op, state: State) -> str | None:
    if state.setting("lock_timeout") or _build(op):
        return None
    felt = state.blocking()
    if not felt:
        return _of_an_index(op, state)
    name, lock = felt[0]
    return f"{lock} on {name} is waited for without a lock_timeout"


_ON_ITS_TABLE = {Kind.DROP: Lock.ACCESS_EXCLUSIVE, Kind.REINDEX: Lock.SHARE}


def _of_an_index(op: Op, state: State) -> str | None:
    """An index of a table that no file names is locked together with that table."""
    if op.what != "index" or op.table is None or op.kind not in _ON_ITS_TABLE:
        return None
    if state.table_of_index(op.table) is not None:
        return None
    lock = _ON_ITS_TABLE[op.kind]
    return f"{lock} on the table of {op.table} is waited for without a lock_timeout"


def _build(op: Op) -> bool:
    return "concurrently" in op.flags


def _no_statement_timeout(op: Op, state: State) -> str | None:
    if not state.blocking() or _build(op) or not state.effect.scan:
        return None
    if state.setting("statement_timeout"):
        return None
    return "a long statement under a lock is not ended by a statement_timeout"


def _bad_timeout(op: Op, _state: State) -> str | None:
    if op.name not in _TIMEOUTS or "reset" in op.flags:
        return None
    length = milliseconds(op.value)
    if length == 0:
        return f"{op.name} = 0 means no limit at all"
    if op.name == "lock_timeout" and length and length > LONGEST_LOCK_TIMEOUT_MS:
        return f"lock_timeout = {op.value} lets every query behind it wait as long"
    return None


def _late_timeout(op: Op, state: State) -> str | None:
    if op.name != "lock_timeout" or state.file.schema is None:
        return None
    if not state.file.changed:
        return None
    return "lock_timeout is set after the statement that it should guard"


def _local_outside(op: Op, state: State) -> str | None:
    if "local" not in op.flags or state.transaction is not None:
        return None
    return f"SET LOCAL {op.name} outside a transaction has no effect"


def _under_lock(op: Op, state: State) -> str | None:
    held = state.transaction.strongest if state.transaction else None
    if held is not Lock.ACCESS_EXCLUSIVE or state.transaction is None:
        return None
    slow = state.effect.scan or (op.kind in DATA and op.kind is not Kind.INSERT)
    if not slow or not any(state.filled(name) for name, _ in state.effect.locks):
        return None
    key = next(k for k, (lock, _) in state.transaction.locks.items() if lock is held)
    return f"it runs while this transaction holds ACCESS EXCLUSIVE on {key[1]}"


def _many_tables(op: Op, state: State) -> str | None:
    if state.transaction is None:
        return None
    strong = {
        k for k, (lock, _) in state.transaction.locks.items() if lock >= Lock.SHARE
    }
    strong |= {name.key for name, _ in state.blocking()}
    if len(strong) <= MOST_TABLES_PER_TRANSACTION:
        return None
    names = ", ".join(sorted(name for _, name in strong))
    return f"one transaction locks {len(strong)} tables: {names}"


def _mergeable(op: Op, state: State) -> str | None:
    if not state.filled(op.table) or not state.effect.scan or op.table is None:
        return None
    earlier = state.file.scanned.get(op.table.key)
    if earlier is None or any(earlier is sibling for sibling in state.siblings):
        return None
    return f"{op.table} is read from end to end for the second time in this file"


def _nested(_op: Op, state: State) -> str | None:
    if state.transaction is None:
        return None
    if state.transaction.explicit:
        return "BEGIN within a transaction: PostgreSQL warns and goes on"
    return "BEGIN within the transaction that the migration tool opens"


def _unopened(op: Op, state: State) -> str | None:
    word = "COMMIT" if op.kind is Kind.COMMIT else "ROLLBACK"
    if state.transaction is None:
        return f"{word} without BEGIN"
    if not state.transaction.explicit:
        return f"{word} ends the migration tool's own transaction half way"
    return None


def _unclosed(_op: Op, state: State) -> str | None:
    if state.transaction and state.transaction.explicit:
        return "the file ends within a transaction"
    return None


def _explicit_lock(op: Op, state: State) -> str | None:
    felt = state.blocking()
    return f"LOCK TABLE takes {felt[0][1]} on {felt[0][0]}" if felt else None


def _checks_off(op: Op, _state: State) -> str | None:
    if op.name != "session_replication_role" or op.value.lower() != "replica":
        return None
    return "foreign keys and triggers are off from here on"


def _hot_table(op: Op, state: State) -> str | None:
    if op.table is None or not state.filled(op.table):
        return None
    files = state.touched.get(op.table.key, set())
    name = state.file.source.name
    if name in files or len(files) < MOST_FILES_PER_TABLE:
        return None
    return f"{op.table} is changed by {len(files) + 1} files of this set"


# A table that so many files of one release lock is better changed in one pass.
MOST_FILES_PER_TABLE = 3

RULES = (
    Rule(
        id="missing-lock-timeout",
        name="No lock_timeout before a blocking lock",
        severity=Severity.WARNING,
        kinds=_LOCKING,
        condition=_no_lock_timeout,
        effect="The lock waits behind the longest query; all later ones "
        "wait behind it.",
        why="A lock that lasts a millisecond stops the table for as long as it is "
        "waited for.",
        workaround="SET lock_timeout = '2s' first, and run the file again when "
        "it fires.",
        bad="ALTER TABLE note ADD COLUMN body text;",
        good="SET lock_timeout = '2s';\nALTER TABLE note ADD COLUMN body text;",
        fix=timeout_first,
        once="file",
        timeouts=False,
    ),
    Rule(
        id="missing-statement-timeout",
        name="No statement_timeout before a long statement under a lock",
        severity=Severity.INFO,
        kinds=_LOCKING,
        condition=_no_statement_timeout,
        effect="The lock is held for as long as the scan takes.",
        why="Nothing ends a scan that takes longer than anybody thought.",
        workaround="SET statement_timeout to what users can bear.",
        bad="SET lock_timeout = '2s';\nALTER TABLE note ALTER COLUMN "
        "body SET NOT NULL;",
        good="SET lock_timeout = '2s';\nSET statement_timeout = '5s';\n"
        "ALTER TABLE note ADD COLUMN body text;",
        once="file",
        timeouts=False,
        off=True,
        also=frozenset({"set-not-null"}),
    ),
    Rule(
        id="bad-timeout",
        name="A timeout of zero, or a lock_timeout that is too long",
        severity=Severity.WARNING,
        kinds=on(Kind.SET),
        condition=_bad_timeout,
        effect="The lock is waited for without a limit, or too long.",
        why="Every query that comes after the waiting lock waits with it.",
        workaround="A lock_timeout of a few seconds, and retries.",
        bad="SET lock_timeout = 0;\nALTER TABLE note ADD COLUMN body text;",
        good="SET lock_timeout = '2s';\nALTER TABLE note ADD COLUMN body text;",
    ),
    Rule(
        id="late-timeout",
        name="lock_timeout is set after the statement it should guard",
        severity=Severity.WARNING,
        kinds=on(Kind.SET),
        condition=_late_timeout,
        effect="The locks above it were waited for without a limit.",
        why="A setting guards only what comes after it.",
        workaround="Set it at the top of the file.",
        bad="ALTER TABLE note ADD COLUMN body text;\nSET lock_timeout = '2s';",
        good="SET lock_timeout = '2s';\nALTER TABLE note ADD COLUMN body text;",
    ),
    Rule(
        id="set-local-outside-transaction",
        name="SET LOCAL outside a transaction",
        severity=Severity.WARNING,
        kinds=on(Kind.SET),
        condition=_local_outside,
        effect="None: PostgreSQL warns and forgets it.",
        why="The timeout or zone that it should set is not set.",
        workaround="SET without LOCAL, or BEGIN first.",
        bad="SET LOCAL work_mem = '64MB';",
        good="BEGIN;\nSET LOCAL work_mem = '64MB';\nCOMMIT;",
    ),
    Rule(
        id="statement-under-lock",
        name="A long statement runs while ACCESS EXCLUSIVE is held",
        severity=Severity.CRITICAL,
        kinds=_LOCKING | DATA | on(Kind.VALIDATE_CONSTRAINT),
        condition=_under_lock,
        effect="ACCESS EXCLUSIVE for the length of this statement too.",
        why="A lock is held to the end of the transaction, so short DDL becomes long.",
        workaround="COMMIT first; one blocking statement per transaction, and last.",
        bad="BEGIN;\nALTER TABLE note ADD COLUMN body text;\n"
        "DELETE FROM tag WHERE id = 7;\nCOMMIT;",
        good="BEGIN;\nALTER TABLE note ADD COLUMN body text;\nCOMMIT;\n-- file: 2.sql\n"
        "DELETE FROM tag WHERE id = 7;",
        also=frozenset({"schema-and-data"}),
        sized=True,
    ),
    Rule(
        id="many-tables-locked",
        name="One transaction locks many tables",
        severity=Severity.WARNING,
        kinds=_LOCKING,
        condition=_many_tables,
        effect="All the locks are held to the end of the transaction.",
        why="The more tables, the likelier a deadlock with the application, and the "
        "longer each one waits for the others.",
        workaround="One table per transaction.",
        bad="BEGIN;\nALTER TABLE note ADD COLUMN a text;\nALTER TABLE tag ADD COLUMN a "
        "text;\nALTER TABLE author ADD COLUMN a text;\nCOMMIT;",
        good="ALTER TABLE note ADD COLUMN a text;\nALTER TABLE tag ADD COLUMN a text;\n"
        "ALTER TABLE author ADD COLUMN a text;",
        once="transaction",
    ),
    Rule(
        id="scans-could-be-one",
        name="A table is read from end to end twice in one file",
        severity=Severity.INFO,
        kinds=_LOCKING,
        condition=_mergeable,
        effect="A scan each, where one ALTER TABLE with several parts needs one.",
        why="The table is blocked, or busy, twice as long.",
        workaround="Put the parts in one ALTER TABLE; never NOT VALID with VALIDATE.",
        bad="ALTER TABLE note ALTER COLUMN a SET NOT NULL;\n"
        "ALTER TABLE note ALTER COLUMN b SET NOT NULL;",
        good="ALTER TABLE note ALTER COLUMN a SET NOT NULL, ALTER COLUMN "
        "b SET NOT NULL;",
        off=True,
        also=frozenset({"set-not-null"}),
    ),
    Rule(
        id="nested-transaction",
        name="BEGIN within a transaction",
        severity=Severity.WARNING,
        kinds=on(Kind.BEGIN),
        condition=_nested,
        effect="None: PostgreSQL does not nest transactions.",
        why="The inner COMMIT ends the outer transaction.",
        workaround="Leave transactions to the tool, or tell it not to open one.",
        bad="BEGIN;\nBEGIN;\nSELECT 1;\nCOMMIT;",
        good="BEGIN;\nSELECT 1;\nCOMMIT;",
    ),
    Rule(
        id="stray-commit",
        name="COMMIT or ROLLBACK of a transaction that the file did not open",
        severity=Severity.WARNING,
        kinds=on(Kind.COMMIT, Kind.ROLLBACK),
        condition=_unopened,
        effect="None, or the tool's transaction ends half way.",
        why="What follows is no longer undone when it fails.",
        workaround="Leave transactions to the tool, or open them in the file.",
        bad="SELECT 1;\nCOMMIT;",
        good="BEGIN;\nSELECT 1;\nCOMMIT;",
    ),
    Rule(
        id="unfinished-transaction",
        name="The file ends within a transaction",
        severity=Severity.CRITICAL,
        kinds=on(Kind.END_OF_FILE),
        condition=_unclosed,
        effect="All locks are kept, or everything is rolled back as the session ends.",
        why="The migration is recorded as done, and nothing of it is there.",
        workaround="COMMIT.",
        bad="BEGIN;\nSELECT 1;",
        good="BEGIN;\nSELECT 1;\nCOMMIT;",
    ),
    Rule(
        id="explicit-lock",
        name="LOCK TABLE",
        severity=Severity.WARNING,
        kinds=on(Kind.LOCK_TABLE),
        condition=_explicit_lock,
        effect="The lock named, ACCESS EXCLUSIVE by default, to the end of the "
        "transaction.",
        why="Other sessions wait for as long as the transaction lasts.",
        workaround="The statements themselves take the locks that they need.",
        bad="BEGIN;\nLOCK TABLE note;\nCOMMIT;",
        good="BEGIN;\nLOCK TABLE note IN ROW EXCLUSIVE MODE;\nCOMMIT;",
    ),
    Rule(
        id="constraints-switched-off",
        name="Foreign keys and triggers are switched off",
        severity=Severity.CRITICAL,
        kinds=on(Kind.SET, Kind.ACCESS),
        condition=_checks_off,
        effect="None: rows go in unchecked.",
        why="session_replication_role = replica lets orphans in, and nothing ever "
        "looks for them again. No trigger keeps the parallel column either.",
        workaround="Keep it at origin; write in an order that keeps the keys.",
        bad="SET session_replication_role = replica;",
        good="SET session_replication_role = origin;",
    ),
    Rule(
        id="hot-table",
        name="Many files of one set change the same table",
        severity=Severity.INFO,
        kinds=SCHEMA,
        condition=_hot_table,
        effect="One blocking lock for each of them.",
        why="Every file waits for the table again.",
        workaround="Bring the changes of one release together.",
        bad="ALTER TABLE note ADD COLUMN a int;\n-- file: 2.sql\nALTER TABLE note ADD "
        "COLUMN b int;\n-- file: 3.sql\nALTER TABLE note ADD COLUMN c int;\n"
        "-- file: 4.sql\nALTER TABLE note ADD COLUMN d int;",
        good="ALTER TABLE note ADD COLUMN a int, ADD COLUMN b int, ADD COLUMN c int, "
        "ADD COLUMN d int;",
        once="set",
        off=True,
    ),
)

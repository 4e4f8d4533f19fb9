"""Rules about building, dropping and rebuilding indexes."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, SafeForm, on
from bluegreen.lint.safe_forms import with_word
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op

_INDEX = r"create\s+(unique\s+)?index"
# Corrupt concurrent builds were fixed in 14.4.
_CORRUPTING_MAJOR = 14


def _plain_build(op: Op, state: State) -> str | None:
    if "concurrently" in op.flags or not state.filled(op.table):
        return None
    if not state.effect.scan:
        return None
    if _partitioned(op, state):
        return f"CREATE INDEX blocks writes to {op.table} and all its partitions"
    return f"CREATE INDEX blocks writes to {op.table} while it builds"


def _plain_drop(op: Op, state: State) -> str | None:
    if op.what != "index" or "concurrently" in op.flags or op.table is None:
        return None
    owner = state.table_of_index(op.table)
    if owner and not state.filled(owner):
        return None
    return f"DROP INDEX {op.table} locks its table against reads and writes"


def _in_transaction(op: Op, state: State) -> str | None:
    if "concurrently" not in op.flags or state.transaction is None:
        return None
    if op.kind is Kind.REFRESH:
        return None
    opened = "is open" if state.transaction.explicit else "is opened by the tool"
    return f"CONCURRENTLY cannot run in a transaction, and one {opened} here"


def _partitioned(op: Op, state: State) -> bool:
    known = state.table(op.table) if op.table else None
    return known is not None and known.partitioned


def _refused_there(op: Op, state: State) -> str | None:
    if "concurrently" not in op.flags or not _partitioned(op, state):
        return None
    return f"{op.table} is partitioned, and CONCURRENTLY cannot be used on it"


def _concurrently(op: Op, state: State) -> SafeForm | None:
    if _partitioned(op, state):
        return None
    return with_word(_INDEX, "CONCURRENTLY")(op, state)


def _dropped_concurrently(op: Op, state: State) -> SafeForm | None:
    """CONCURRENTLY knows no CASCADE, and nothing of partitioned indexes."""
    owner = state.table_of_index(op.table) if op.table else None
    known = state.table(owner) if owner else None
    if "cascade" in op.flags or (known is not None and known.partitioned):
        return None
    return with_word(r"drop\s+index", "CONCURRENTLY")(op, state)


def _adopts_invalid(op: Op, _state: State) -> str | None:
    if not {"concurrently", "if_not_exists"} <= op.flags:
        return None
    return f"IF NOT EXISTS takes an INVALID {op.name} of a failed build for a good one"


def _corrupts(op: Op, state: State) -> str | None:
    chosen = state.versions.chosen and (
        state.versions.low <= _CORRUPTING_MAJOR <= state.versions.high
    )
    if chosen and "concurrently" in op.flags and state.filled(op.table):
        return "on 14.0 to 14.3 a concurrent build can leave rows out of the index"
    return None


def _plain_reindex(op: Op, state: State) -> str | None:
    if "concurrently" in op.flags or op.what == "system":
        return None
    if op.table and not state.filled(op.table):
        return None
    return f"REINDEX blocks writes to {op.table or 'every table'} while it builds"


def _many_columns(op: Op, state: State) -> str | None:
    if "unique" not in op.flags or not state.filled(op.table):
        return None
    return f"unique index {op.name} refuses rows that clients write today"


RULES = (
    Rule(
        id="index-not-concurrent",
        name="An index is built without CONCURRENTLY",
        severity=Severity.CRITICAL,
        kinds=on(Kind.CREATE_INDEX),
        condition=_plain_build,
        effect="SHARE on the table and a scan of it, all versions.",
        why="Every write to the table waits until the index is built.",
        workaround="CREATE INDEX CONCURRENTLY, alone in a file without a transaction.",
        bad="CREATE INDEX note_body ON note (body);",
        good="CREATE INDEX CONCURRENTLY note_body ON note (body);",
        fix=_concurrently,
        sized=True,
    ),
    Rule(
        id="concurrently-on-partitioned",
        name="CONCURRENTLY on a partitioned table",
        severity=Severity.CRITICAL,
        kinds=on(Kind.CREATE_INDEX),
        condition=_refused_there,
        effect="None: PostgreSQL refuses it with SQLSTATE 0A000, all versions.",
        why="The migration fails at this statement.",
        workaround="CREATE INDEX … ON ONLY the parent, CREATE INDEX CONCURRENTLY on "
        "each partition, then ALTER INDEX … ATTACH PARTITION.",
        known="CREATE TABLE sale (day int) PARTITION BY RANGE (day);",
        bad="CREATE INDEX CONCURRENTLY sale_day ON sale (day);",
        good="CREATE INDEX sale_day ON ONLY sale (day);",
    ),
    Rule(
        id="drop-index-not-concurrent",
        name="An index is dropped without CONCURRENTLY",
        severity=Severity.WARNING,
        kinds=on(Kind.DROP),
        condition=_plain_drop,
        effect="ACCESS EXCLUSIVE on the table of the index, all versions.",
        why="The lock waits behind every running query, and all later ones behind it.",
        workaround="DROP INDEX CONCURRENTLY, outside a transaction.",
        bad="DROP INDEX note_body;",
        good="DROP INDEX CONCURRENTLY note_body;",
        fix=_dropped_concurrently,
    ),
    Rule(
        id="concurrently-in-transaction",
        name="CONCURRENTLY stands in a transaction",
        severity=Severity.CRITICAL,
        kinds=on(Kind.CREATE_INDEX, Kind.DROP, Kind.REINDEX, Kind.DETACH_PARTITION),
        condition=_in_transaction,
        effect="None: PostgreSQL refuses it with SQLSTATE 25001.",
        why="The migration fails at this statement.",
        workaround="One statement per file, and the tool's marker for no transaction.",
        bad="BEGIN;\nCREATE INDEX CONCURRENTLY note_body ON note (body);\nCOMMIT;",
        good="CREATE INDEX CONCURRENTLY note_body ON note (body);",
    ),
    Rule(
        id="reindex-not-concurrent",
        name="REINDEX without CONCURRENTLY",
        severity=Severity.CRITICAL,
        kinds=on(Kind.REINDEX),
        condition=_plain_reindex,
        effect="SHARE on the table, ACCESS EXCLUSIVE on each index, a scan per index.",
        why="Writes wait, and so do reads that would use the index.",
        workaround="REINDEX … CONCURRENTLY (12 and later).",
        bad="REINDEX TABLE note;",
        good="REINDEX TABLE CONCURRENTLY note;",
        fix=with_word(
            r"reindex\s+(\([^)]*\)\s*)?(table|index|schema|database)", "CONCURRENTLY"
        ),
        sized=True,
    ),
    Rule(
        id="index-retry-adopts-invalid",
        name="A retry takes an INVALID index for a good one",
        severity=Severity.WARNING,
        kinds=on(Kind.CREATE_INDEX),
        condition=_adopts_invalid,
        effect="None: IF NOT EXISTS compares names only, all versions.",
        why="A failed concurrent build leaves an INVALID index behind. The second run "
        "succeeds and the index is never used, or a UNIQUE never enforced.",
        workaround="DROP INDEX CONCURRENTLY IF EXISTS first, then create without it.",
        bad="CREATE INDEX CONCURRENTLY IF NOT EXISTS note_body ON note (body);",
        good="DROP INDEX CONCURRENTLY IF EXISTS note_body;\n"
        "CREATE INDEX CONCURRENTLY note_body ON note (body);",
    ),
    Rule(
        id="concurrent-index-corrupts",
        name="A concurrent build on 14.0 to 14.3 corrupts the index",
        severity=Severity.WARNING,
        kinds=on(Kind.CREATE_INDEX, Kind.REINDEX),
        condition=_corrupts,
        effect="SHARE UPDATE EXCLUSIVE; on 14.0 to 14.3 rows may be missing from it.",
        why="The release notes of 14.4 tell of it: HOT updates during the build are "
        "lost to the index, so queries miss rows without an error.",
        workaround="Be on 14.4 or later, then ignore this rule with that as reason.",
        bad="CREATE INDEX CONCURRENTLY note_body ON note (body);",
        good="CREATE TABLE tag (name text);\nCREATE INDEX tag_name ON tag (name);",
        off=True,
        target=14,
    ),
    Rule(
        id="unique-index-refuses-rows",
        name="A unique index refuses rows that clients write today",
        severity=Severity.INFO,
        kinds=on(Kind.CREATE_INDEX),
        condition=_many_columns,
        effect="None beyond the build.",
        why="Clients of the release before do not know the rule and get errors.",
        workaround="Let the application keep to it first; look for duplicates.",
        bad="CREATE UNIQUE INDEX CONCURRENTLY note_key ON note (body);",
        good="CREATE INDEX CONCURRENTLY note_body ON note (body);",
        off=True,
    ),
)

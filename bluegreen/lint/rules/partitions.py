"""Rules about partitions of a table in use."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, SafeForm, on
from bluegreen.lint.safe_forms import at_end
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op


def _attach(op: Op, state: State) -> str | None:
    if not state.effect.scan or not state.filled(op.table):
        return None
    read = ", ".join(map(str, state.effect.scan))
    why = f": {state.effect.why}" if state.effect.why else ""
    return f"ATTACH PARTITION reads {read} under ACCESS EXCLUSIVE{why}"


def _detach(op: Op, state: State) -> str | None:
    if "concurrently" in op.flags or not state.filled(op.table):
        return None
    return f"DETACH PARTITION locks all of {op.table} against reads and writes"


_FIRST_WITH_CONCURRENTLY = 14


def _detached_concurrently(op: Op, state: State) -> SafeForm | None:
    """Refused before 14, and beside a default partition."""
    old = state.versions.chosen and state.versions.low < _FIRST_WITH_CONCURRENTLY
    if old or (op.table and state.default_partition(op.table)):
        return None
    return at_end("CONCURRENTLY")(op, state)


def _with_default(op: Op, state: State) -> str | None:
    default = state.default_partition(op.table) if op.table else None
    if "concurrently" not in op.flags or default is None:
        return None
    return f"PostgreSQL refuses CONCURRENTLY while {op.table} has a default partition"


def _partition_of(op: Op, state: State) -> str | None:
    if "partition" not in op.flags or not state.filled(op.other):
        return None
    return f"PARTITION OF locks all of {op.other} against reads and writes"


RULES = (
    Rule(
        id="attach-partition-unproven",
        name="ATTACH PARTITION without a CHECK that proves the bounds",
        severity=Severity.WARNING,
        kinds=on(Kind.ATTACH_PARTITION),
        condition=_attach,
        effect="SHARE UPDATE EXCLUSIVE on the parent, ACCESS EXCLUSIVE on the new and "
        "on the default partition, each scanned unless a CHECK proves its rows.",
        why="Rows of the default partition cannot be used during its scan.",
        workaround="Add a CHECK of the bounds first, NOT VALID and VALIDATE, on the "
        "new partition, whose key must be NOT NULL too, and one that excludes them on "
        "the default; and give it the parent's indexes and foreign keys before.",
        bad="ALTER TABLE sale ATTACH PARTITION sale_2020 FOR VALUES FROM (1) TO (9);",
        good="ALTER TABLE sale_2020 ADD CONSTRAINT bounds CHECK (day >= 1 AND day < 9) "
        "NOT VALID;\n-- file: 2.sql\n"
        "ALTER TABLE sale_2020 VALIDATE CONSTRAINT bounds;\n-- file: 3.sql\n"
        "ALTER TABLE sale ATTACH PARTITION sale_2020 FOR VALUES FROM (1) TO (9);",
        sized=True,
    ),
    Rule(
        id="detach-partition-not-concurrent",
        name="DETACH PARTITION without CONCURRENTLY",
        severity=Severity.CRITICAL,
        kinds=on(Kind.DETACH_PARTITION),
        condition=_detach,
        effect="ACCESS EXCLUSIVE on the parent, the partition and the default.",
        why="The whole partitioned table stands still while the lock is waited for.",
        workaround="DETACH PARTITION … CONCURRENTLY (14 and later, and not with a "
        "default partition). It leaves a CHECK of the bounds on the partition.",
        bad="ALTER TABLE sale DETACH PARTITION sale_2020;",
        good="ALTER TABLE sale DETACH PARTITION sale_2020 CONCURRENTLY;",
        fix=_detached_concurrently,
    ),
    Rule(
        id="detach-concurrently-default",
        name="DETACH … CONCURRENTLY beside a default partition",
        severity=Severity.CRITICAL,
        kinds=on(Kind.DETACH_PARTITION),
        condition=_with_default,
        effect="None: PostgreSQL refuses it, 14 and later.",
        why="The migration fails at this statement.",
        workaround="Detach the default partition first, in a quiet moment.",
        known="CREATE TABLE sale (day int) PARTITION BY RANGE (day);\n"
        "CREATE TABLE sale_rest PARTITION OF sale DEFAULT;",
        bad="ALTER TABLE sale DETACH PARTITION sale_2020 CONCURRENTLY;",
        good="ALTER TABLE note ADD COLUMN day int;",
    ),
    Rule(
        id="create-partition-of",
        name="CREATE TABLE … PARTITION OF a table in use",
        severity=Severity.WARNING,
        kinds=on(Kind.CREATE_TABLE),
        condition=_partition_of,
        effect="ACCESS EXCLUSIVE on the parent and the default, which is scanned.",
        why="The whole partitioned table waits behind the lock.",
        workaround="Create the table alone (LIKE … INCLUDING ALL), then ATTACH it.",
        bad="CREATE TABLE sale_2021 PARTITION OF sale FOR VALUES FROM (9) TO (17);",
        good="CREATE TABLE sale_2021 (LIKE sale INCLUDING ALL);\n"
        "ALTER TABLE sale ATTACH PARTITION sale_2021 FOR VALUES FROM (9) TO (17);",
    ),
)

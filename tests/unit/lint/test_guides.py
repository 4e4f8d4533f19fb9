"""The patterns and the NEVER list of the usual guides: each is a rule that speaks."""

from __future__ import annotations

import pytest

from tests.unit.lint.kit import fired

PATTERNS = {
    "nullable first": (
        "ALTER TABLE n ADD COLUMN b int NOT NULL;",
        "required-column",
        "ALTER TABLE n ADD COLUMN b int;",
    ),
    "expand and contract for renames": (
        "ALTER TABLE n RENAME COLUMN a TO b;",
        "rename-column",
        "ALTER TABLE n ADD COLUMN b int;",
    ),
    "deprecate before drop": (
        "ALTER TABLE n DROP COLUMN a;",
        "drop-column",
        (
            "-- bluegreen: ignore drop-column nobody reads it since 4.2\n"
            "ALTER TABLE n DROP COLUMN a;"
        ),
    ),
    "parallel column for type changes": (
        "ALTER TABLE n ALTER COLUMN a TYPE bigint;",
        "type-change-rewrites",
        "ALTER TABLE n ADD COLUMN a_next bigint;",
    ),
    "CONCURRENTLY": (
        "CREATE INDEX i ON n (a);",
        "index-not-concurrent",
        "CREATE INDEX CONCURRENTLY i ON n (a);",
    ),
    "CONCURRENTLY outside a transaction": (
        "BEGIN; CREATE INDEX CONCURRENTLY i ON n (a); COMMIT;",
        "concurrently-in-transaction",
        "CREATE INDEX CONCURRENTLY i ON n (a);",
    ),
    "NOT VALID, then VALIDATE": (
        "ALTER TABLE n ADD CONSTRAINT c CHECK (a > 0);",
        "check-validated",
        (
            "ALTER TABLE n ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\n"
            "ALTER TABLE n VALIDATE CONSTRAINT c;"
        ),
    ),
    "append-only enums": (
        "ALTER TYPE mood RENAME VALUE 'a' TO 'b';",
        "enum-value-renamed",
        "ALTER TYPE mood ADD VALUE 'b';",
    ),
    "batches": (
        "UPDATE n SET a = 1;",
        "unbatched-change",
        "UPDATE n SET a = 1 WHERE id BETWEEN 1 AND 1000;",
    ),
    "a lock timeout": (
        "RESET lock_timeout; ALTER TABLE n ADD COLUMN b int;",
        "missing-lock-timeout",
        "SET lock_timeout = '1s'; ALTER TABLE n ADD COLUMN b int;",
    ),
    "never NOT NULL without default on a filled table": (
        "ALTER TABLE n ADD COLUMN b text NOT NULL;",
        "required-column",
        "ALTER TABLE n ADD COLUMN b text NOT NULL DEFAULT '';",
    ),
    "never SET NOT NULL without a proof": (
        "ALTER TABLE n ALTER COLUMN a SET NOT NULL;",
        "set-not-null",
        "ALTER TABLE n ALTER COLUMN proved SET NOT NULL;",
    ),
    "never schema and data in one file": (
        "ALTER TABLE n ADD COLUMN b int; UPDATE m SET a = 1 WHERE id = 1;",
        "schema-and-data",
        (
            "ALTER TABLE n ADD COLUMN b int;\n-- file: 2.sql\n"
            "UPDATE m SET a = 1 WHERE id = 1;"
        ),
    ),
    "never foreign keys switched off": (
        "SET session_replication_role = replica;",
        "constraints-switched-off",
        "SET session_replication_role = DEFAULT;",
    ),
    "never triggers disabled": (
        "ALTER TABLE n DISABLE TRIGGER ALL;",
        "disable-trigger",
        "ALTER TABLE n ENABLE TRIGGER ALL;",
    ),
    "never without dual write": (
        (
            "ALTER TABLE n ADD COLUMN b int;\n-- file: 2.sql\n"
            "UPDATE n SET b = a WHERE id BETWEEN 1 AND 1000;"
        ),
        "skipped-dual-write",
        (
            "ALTER TABLE n ADD COLUMN b int;\nCREATE TRIGGER keep BEFORE "
            "INSERT OR UPDATE ON n FOR EACH ROW EXECUTE FUNCTION f();\n-- file: 2.sql\n"
            "UPDATE n SET b = a WHERE id BETWEEN 1 AND 1000;"
        ),
    ),
}
SCHEMA = "CREATE TABLE n (id int, a int, proved int CHECK (proved IS NOT NULL));"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_guides_pattern_is_a_rule(pattern: str) -> None:
    wrong, rule, right = PATTERNS[pattern]
    assert rule in fired(wrong, SCHEMA)
    assert fired(right, SCHEMA) == []

"""What a rule says of the whole kind that a report from the field was about."""

from __future__ import annotations

import pytest

from tests.unit.lint.kit import QUIET, fired

TABLE = "CREATE TABLE s.i (id bigint PRIMARY KEY, a text, b text);"
CALLED = "CREATE FUNCTION s.f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP INDEX s.x;", True),
        ("DROP INDEX IF EXISTS x;", True),
        ("REINDEX INDEX s.x;", True),
        ("DROP INDEX CONCURRENTLY s.x;", False),
        ("REINDEX INDEX CONCURRENTLY s.x;", False),
        ("CREATE TABLE n (id bigint); CREATE INDEX x ON n (id); DROP INDEX x;", False),
        ("SET lock_timeout = '1s'; DROP INDEX s.x;", False),
    ],
)
def test_an_index_is_locked_with_its_table(sql: str, *, said: bool) -> None:
    assert ("missing-lock-timeout" in fired(sql, settings={})) is said


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE s.m RENAME TO m_old; CREATE TABLE s.m (id bigint);", False),
        ("ALTER TABLE s.m SET SCHEMA old; CREATE TABLE s.m (id bigint);", False),
        ("DROP TABLE s.m; CREATE TABLE s.m (id bigint);", False),
        ("ALTER TABLE s.m ADD c int; CREATE TABLE s.m (id bigint);", True),
        ("ALTER TABLE s.m RENAME c TO d; CREATE TABLE s.m (id bigint);", True),
        ("ALTER TABLE s.m RENAME TO m_old; CREATE TABLE s.m_old (id int);", False),
    ],
)
def test_a_name_that_was_given_up_may_be_made(sql: str, *, said: bool) -> None:
    assert ("used-before-made" in fired(sql)) is said


@pytest.mark.parametrize(
    ("dropped", "made"),
    [
        (
            "DROP TRIGGER IF EXISTS t ON s.i;",
            "CREATE TRIGGER t AFTER INSERT ON s.i FOR EACH ROW EXECUTE FUNCTION f();",
        ),
        ("DROP FUNCTION s.f(int);", CALLED),
        ("DROP FUNCTION IF EXISTS s.f;", CALLED),
        ("DROP VIEW s.v;", "CREATE VIEW s.v AS SELECT 1 AS one;"),
        (
            "DROP MATERIALIZED VIEW s.v;",
            "CREATE MATERIALIZED VIEW s.v AS SELECT 1 AS one;",
        ),
        ("DROP POLICY p ON s.i;", "CREATE POLICY p ON s.i USING (true);"),
        (
            "DROP RULE r ON s.i;",
            "CREATE RULE r AS ON DELETE TO s.i DO INSTEAD NOTHING;",
        ),
        ("DROP SEQUENCE s.q;", "CREATE SEQUENCE s.q;"),
        ("DROP TYPE s.k;", "CREATE TYPE s.k AS ENUM ('a');"),
        ("DROP TYPE s.k;", "CREATE TYPE s.k AS (a int);"),
        ("DROP DOMAIN s.d;", "CREATE DOMAIN s.d AS int;"),
    ],
)
def test_what_the_same_transaction_makes_again_is_not_missed(
    dropped: str, made: str
) -> None:
    both = f"{dropped}\n{made}"
    for transaction in ("file", "query"):
        assert "drop-object" not in fired(both, TABLE, transaction=transaction)
    assert "drop-object" not in fired(
        f"BEGIN; {both} COMMIT;", TABLE, transaction="none"
    )
    assert "drop-object" not in fired(
        f"DO $$ BEGIN {both} END $$;", TABLE, transaction="none"
    )
    assert "drop-object" in fired(both, TABLE, transaction="none")
    assert "drop-object" in fired(dropped, TABLE, transaction="file")
    assert "drop-object" in fired(
        f"BEGIN; {dropped} COMMIT; BEGIN; {made} COMMIT;", TABLE, transaction="none"
    )


@pytest.mark.parametrize(
    "made",
    [
        "CREATE FUNCTION s.f(a bigint) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE FUNCTION s.g(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE FUNCTION r.f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE FUNCTION s.f(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
    ],
)
def test_another_function_is_not_the_one_that_was_dropped(made: str) -> None:
    found = fired(f"DROP FUNCTION s.f(int); {made}", TABLE, transaction="file")
    assert "drop-object" in found


def test_output_parameters_are_no_part_of_a_signature() -> None:
    made = "CREATE FUNCTION s.f(a int, OUT b int) LANGUAGE sql AS 'SELECT 1';"
    found = fired(f"DROP FUNCTION s.f(int); {made}", TABLE, transaction="file")
    assert "drop-object" not in found


@pytest.mark.parametrize(
    ("execute", "found"),
    [
        ("'ALTER TABLE s.i ADD COLUMN n bigserial'", "add-serial-column"),
        ("$q$DROP TABLE s.i$q$", "drop-table"),
        ("'ALTER TABLE s.i ADD COLUMN n bigserial; DROP TABLE s.i'", "drop-table"),
        ("'DROP TABLE ' || name", "dynamic-sql"),
        ("format('DROP TABLE %I', 'x')", "dynamic-sql"),
        ("(SELECT 'DROP TABLE s.i')", "dynamic-sql"),
        ("'DROP TABEL x'", "dynamic-sql"),
    ],
)
def test_a_constant_that_is_executed_is_read(execute: str, found: str) -> None:
    sql = f"DO $$ DECLARE name text; BEGIN EXECUTE {execute}; END $$;"
    said = fired(sql, TABLE, settings={})
    assert found in said
    assert ("dynamic-sql" in said) is (found == "dynamic-sql")
    assert ("missing-lock-timeout" in said) is (found != "dynamic-sql")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE s.i RENAME TO old; DROP TABLE s.old;", "s.i get errors"),
        (
            (
                "ALTER TABLE s.i RENAME TO old; CREATE TABLE s.i (id int PRIMARY KEY);"
                "DROP TABLE s.old;"
            ),
            "rows that were in s.i",
        ),
        ("ALTER TABLE s.i SET SCHEMA r; DROP TABLE r.i;", "s.i get errors"),
        (
            "ALTER TABLE s.i RENAME TO a; ALTER TABLE s.a RENAME TO b; DROP TABLE s.b;",
            "s.i get errors",
        ),
        ("DROP TABLE s.i;", "s.i get errors"),
    ],
)
def test_a_dropped_table_is_called_as_clients_know_it(sql: str, said: str) -> None:
    from tests.unit.lint.kit import lint

    for text in (sql, f"DO $$ BEGIN {sql} END $$;"):
        (found,) = [f for f in lint(text, TABLE).findings if f.id == "drop-table"]
        assert said in found.seen


@pytest.mark.parametrize(
    "mark",
    [
        "-- postgres-migrations disable-transaction",
        "--! no-transaction",
        "-- atlas:txmode none",
        "-- migrate:up transaction:false",
    ],
)
def test_a_mark_that_asks_for_no_transaction(mark: str) -> None:
    sql = "CREATE INDEX CONCURRENTLY x ON s.i (a);"
    assert "concurrently-in-transaction" in fired(sql, TABLE, transaction="file")
    marked = fired(f"{mark}\n{sql}", TABLE, transaction="file")
    assert "concurrently-in-transaction" not in marked


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE n (a int, b int, a text);",
        "CREATE TEMP TABLE n (a int, a int);",
        "ALTER TABLE s.i ADD COLUMN c int, ADD COLUMN c int;",
        "ALTER TABLE s.i ADD COLUMN c int; ALTER TABLE s.i ADD COLUMN c text;",
        "ALTER TABLE s.i ADD COLUMN a text;",
        "UPDATE s.i SET a = 'x', a = 'y' WHERE id = 1;",
        "UPDATE s.i SET (a, b) = ('x', 'y'), a = 'z' WHERE id = 1;",
        "INSERT INTO s.i (id, a, a) VALUES (1, 'x', 'y');",
        (
            "INSERT INTO s.i (id, a) VALUES (1, 'x') ON CONFLICT (id) "
            "DO UPDATE SET a = 'x', a = 'y';"
        ),
        (
            "MERGE INTO s.i USING s.j ON i.id = j.id WHEN NOT MATCHED THEN "
            "INSERT (a, a) VALUES (1, 2);"
        ),
        (
            "MERGE INTO s.i USING s.j ON i.id = j.id WHEN MATCHED THEN "
            "UPDATE SET a = 1, a = 2;"
        ),
        "CREATE TYPE k AS (a int, a text);",
        "CREATE VIEW v AS SELECT a, b AS a FROM s.i;",
        "CREATE VIEW v AS SELECT i.a, j.a FROM s.i i, s.i j;",
        "CREATE VIEW v (x, x) AS SELECT a, b FROM s.i;",
        "CREATE VIEW v AS SELECT max(a), max(b) FROM s.i;",
        "CREATE VIEW v AS SELECT a, a FROM s.i UNION SELECT a, b FROM s.i;",
        "CREATE MATERIALIZED VIEW v AS SELECT a, a FROM s.i;",
        "CREATE TABLE n AS SELECT a, a FROM s.i;",
        "SELECT a, a INTO n FROM s.i;",
    ],
)
def test_a_column_that_stands_twice_never_runs(sql: str) -> None:
    assert "column-twice" in fired(sql, TABLE)


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE TABLE n (a int, "A" int);',
        "ALTER TABLE s.i ADD COLUMN IF NOT EXISTS a text;",
        "ALTER TABLE s.i DROP COLUMN a; ALTER TABLE s.i ADD COLUMN a text;",
        "ALTER TABLE s.i ADD COLUMN a text, DROP COLUMN a;",
        "ALTER TABLE s.i RENAME COLUMN a TO c; ALTER TABLE s.i ADD COLUMN a text;",
        "DO $$ BEGIN ALTER TABLE s.i ADD COLUMN a text; END $$;",
        "UPDATE s.i SET a[1] = 'x', a[2] = 'y' WHERE id = 1;",
        "UPDATE s.i SET a.x = 1, a.y = 2 WHERE id = 1;",
        "INSERT INTO s.i (a[1], a[2]) VALUES ('x', 'y');",
        "INSERT INTO s.i SELECT a, a, a FROM s.i;",
        (
            "MERGE INTO s.i USING s.j ON i.id = j.id "
            "WHEN MATCHED THEN UPDATE SET a = 1 "
            "WHEN NOT MATCHED THEN INSERT (a) VALUES (1);"
        ),
        (
            "INSERT INTO s.i (id, a) VALUES (1, 'x') ON CONFLICT (id) "
            "DO UPDATE SET a = 'x';"
        ),
        "CREATE TYPE k AS (a int, b text);",
        "CREATE VIEW v (x, y) AS SELECT a, a FROM s.i;",
        "CREATE VIEW v AS SELECT a, b FROM s.i UNION SELECT a, a FROM s.i;",
        "CREATE VIEW v AS SELECT * FROM s.i;",
        "SELECT a, a FROM s.i;",
    ],
)
def test_a_column_that_stands_once(sql: str) -> None:
    assert "column-twice" not in fired(sql, TABLE)


CHECKED = "CREATE TABLE s.i (id bigint, CONSTRAINT c CHECK (id > 0));"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE s.i ADD CONSTRAINT c CHECK (id > 1) NOT VALID;", True),
        (
            (
                "CREATE TABLE n (a int CONSTRAINT k CHECK (a > 0), "
                "CONSTRAINT k UNIQUE (a));"
            ),
            True,
        ),
        ("ALTER TABLE s.i ADD CONSTRAINT d CHECK (id > 1) NOT VALID;", False),
        (
            (
                "ALTER TABLE s.i DROP CONSTRAINT c; "
                "ALTER TABLE s.i ADD CONSTRAINT c CHECK (id > 1) NOT VALID;"
            ),
            False,
        ),
        (
            (
                "ALTER TABLE s.i ADD CONSTRAINT c CHECK (id > 1) NOT VALID, "
                "DROP CONSTRAINT c;"
            ),
            False,
        ),
        ("DO $$ BEGIN ALTER TABLE s.i ADD CONSTRAINT c CHECK (id > 1); END $$;", False),
        ("CREATE TABLE n (a int CHECK (a > 0) CHECK (a < 9));", False),
    ],
)
def test_a_constraint_that_stands_twice_never_runs(sql: str, *, said: bool) -> None:
    assert ("constraint-twice" in fired(sql, CHECKED)) is said


MADE = "CREATE TABLE n AS SELECT 1 AS a;"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"


@pytest.mark.parametrize(
    ("rule", "sql", "said"),
    [
        ("not-rerunnable", MADE, True),
        ("not-rerunnable", "SELECT 1 AS a INTO n;", True),
        ("not-rerunnable", "CREATE TABLE IF NOT EXISTS n AS SELECT 1 AS a;", False),
        ("not-rerunnable", "CREATE TEMP TABLE n AS SELECT 1 AS a;", False),
        ("not-rerunnable", "SELECT 1 AS a INTO TEMP n;", False),
        ("not-rerunnable", "CREATE TEMP TABLE n (a int);", False),
        (
            "not-rerunnable",
            "CREATE TEMP TABLE n (a int); ALTER TABLE n ADD b int;",
            False,
        ),
        ("not-rerunnable", "CREATE TABLE n (a int);", True),
        ("unqualified-name", MADE, True),
        ("unqualified-name", "CREATE TABLE s.n AS SELECT 1 AS a;", False),
        ("unqualified-name", "CREATE TEMP TABLE n AS SELECT 1 AS a;", False),
        ("unqualified-name", "DROP TABLE n;", True),
        ("unqualified-name", "DROP TABLE s.n;", False),
        ("unqualified-name", "DROP FUNCTION f();", False),
        ("name-too-long", f"DROP TABLE {'n' * 64};", True),
        ("name-too-long", f'DROP TABLE "{"n" * 63}";', False),
        ("name-too-long", f"CREATE TABLE {'n' * 64} AS SELECT 1 AS a;", True),
        ("name-too-long", f"CREATE VIEW {'n' * 64} AS SELECT 1 AS a;", True),
        ("name-too-long", f'CREATE TABLE "{FAMILY * 3}" (a int);', True),
        ("name-too-long", f'CREATE TABLE "{FAMILY * 2}" (a int);', False),
        ("table-without-key", MADE, True),
        ("table-without-key", f"{MADE} ALTER TABLE n ADD PRIMARY KEY (a);", False),
        (
            "table-without-key",
            "CREATE TABLE n (a int); ALTER TABLE n ADD PRIMARY KEY (a);",
            False,
        ),
        ("table-without-key", "CREATE TABLE n (a int);", True),
        ("table-without-key", "CREATE TEMP TABLE n AS SELECT 1 AS a;", False),
        ("table-without-key", "CREATE MATERIALIZED VIEW n AS SELECT 1 AS a;", False),
        ("prefer-text", "CREATE TABLE n (a varchar(20));", True),
        ("prefer-text", "CREATE TABLE n (a char(2));", True),
        ("prefer-text", "CREATE TABLE n (a varchar);", False),
        ("prefer-text", "ALTER TABLE s.i ADD COLUMN c varchar;", False),
        ("prefer-text", "ALTER TABLE s.i ALTER COLUMN a TYPE varchar(9);", True),
        ("prefer-text", "ALTER TABLE s.i ALTER COLUMN a TYPE text;", False),
        ("prefer-timestamptz", "ALTER TABLE s.i ALTER a TYPE timestamp;", True),
        ("prefer-bigint", "ALTER TABLE s.i ALTER COLUMN a TYPE int;", True),
        ("prefer-bigint", "CREATE TABLE n (a int);", True),
    ],
)
def test_hygiene_of_tables_however_they_are_made(
    rule: str, sql: str, *, said: bool
) -> None:
    found = fired(sql, TABLE, transaction="none", enable=(rule,), settings=QUIET)
    assert (rule in found) is said

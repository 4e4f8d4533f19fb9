"""What carries over: tables, transactions, timeouts, proofs, sizes, and where the field
is wrong."""

from __future__ import annotations

import pytest

from bluegreen.lint.config import Config
from bluegreen.lint.engine import check
from bluegreen.lint.strategy import Strategy
from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Name
from bluegreen.sql.source import read
from tests.unit.lint.kit import QUIET, fired, known, lint, lint_whole

MADE = "CREATE TABLE fresh (id int PRIMARY KEY, a text);\n-- file: 2.sql\n"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON fresh (a);",
        "ALTER TABLE fresh ADD COLUMN n bigserial;",
        "ALTER TABLE fresh ALTER COLUMN id TYPE bigint;",
        "ALTER TABLE fresh ADD CHECK (id > 0);",
        "ALTER TABLE fresh ALTER COLUMN a SET NOT NULL;",
        "ALTER TABLE public.fresh RENAME TO other;\nDROP TABLE other;",
        "ALTER TABLE fresh DROP COLUMN a;",
        "DELETE FROM fresh;",
        "CREATE INDEX i ON fresh (a);\nDROP INDEX i;",
    ],
)
def test_a_table_made_in_the_set_is_exempt(sql: str) -> None:
    assert fired(MADE + sql) == []
    assert fired(MADE.replace("-- file: 2.sql\n", "") + sql, history=True) == []
    assert fired(sql) != []


def test_in_a_history_a_table_of_an_earlier_file_is_in_use() -> None:
    sql = "ALTER TABLE fresh ADD COLUMN n bigserial;"
    assert fired(MADE + sql, history=True) == ["add-serial-column"]


@pytest.mark.parametrize("name", [*sorted(BOOKKEEPING), "note"])
def test_what_a_migration_tool_writes_for_itself_is_no_data_change(name: str) -> None:
    sql = f'INSERT INTO "{name}" VALUES (1);\nALTER TABLE t ADD COLUMN a int;'
    assert fired(sql) == (["schema-and-data"] if name == "note" else [])


def test_only_the_filled_side_of_a_foreign_key_counts() -> None:
    sql = "ALTER TABLE fresh ADD FOREIGN KEY (id) REFERENCES old (id);"
    assert fired(MADE + sql, settings={}) == ["missing-lock-timeout"]


def test_a_timeout_set_in_one_file_holds_in_the_next() -> None:
    add = "ALTER TABLE note ADD COLUMN a int;"
    after = "SET lock_timeout = '2s';\n-- file: 2.sql\n"
    assert fired(after + add, settings={}) == []
    assert fired(after + "RESET lock_timeout;\n" + add, settings={}) == [
        "missing-lock-timeout"
    ]


def test_a_local_timeout_ends_with_its_transaction() -> None:
    sql = (
        "BEGIN;\nSET LOCAL lock_timeout = '2s';\nALTER TABLE n ADD COLUMN a int;\n"
        "COMMIT;\n-- file: 2.sql\nALTER TABLE n ADD COLUMN b int;"
    )
    report = lint(sql, settings={})
    assert [(f.file, f.id) for f in report.findings] == [
        ("2.sql", "missing-lock-timeout")
    ]


def test_a_transaction_goes_on_in_the_next_file() -> None:
    sql = "BEGIN;\n-- file: 2.sql\nCREATE INDEX CONCURRENTLY i ON n (a);\nCOMMIT;"
    assert fired(sql) == ["unfinished-transaction", "concurrently-in-transaction"]


def test_the_transaction_of_the_tool() -> None:
    sql = "CREATE INDEX CONCURRENTLY i ON n (a);"
    assert fired(sql) == []
    assert fired(sql, transaction="file") == ["concurrently-in-transaction"]
    assert fired("-- +goose NO TRANSACTION\n" + sql, transaction="file") == []


def test_the_way_down_is_not_judged() -> None:
    sql = "CREATE VIEW v AS SELECT 1;\n-- migrate:down\nDROP TABLE note;"
    assert fired(sql) == []


def test_a_proof_from_the_schema_counts() -> None:
    schema = "CREATE TABLE n (a int, CONSTRAINT p CHECK (a IS NOT NULL AND a > 1));"
    sql = "ALTER TABLE n ALTER COLUMN a SET NOT NULL;"
    assert fired(sql, schema) == []
    assert fired(sql, schema.replace("AND", "OR")) == ["set-not-null"]


def test_a_proof_that_is_not_valid_does_not_count() -> None:
    sql = (
        "ALTER TABLE n ADD CONSTRAINT p CHECK (a IS NOT NULL) NOT VALID;\n"
        "ALTER TABLE n ALTER COLUMN a SET NOT NULL;"
    )
    assert fired(sql) == ["set-not-null"]


def test_a_known_size_decides_the_level() -> None:
    sources = [read("1.sql", "ALTER TABLE n ALTER COLUMN a SET NOT NULL;")]
    for rows, level in [
        (10, Severity.INFO),
        (10**5, Severity.CRITICAL),
        (10**9, Severity.CRITICAL),
    ]:
        knowledge = known("CREATE TABLE n (a int);", rows={Name("", "n").key: rows})
        report = check(sources, Config(settings=QUIET), knowledge)
        assert [f.severity for f in report.findings] == [level]


def test_a_large_table_makes_a_warning_an_error() -> None:
    sources = [read("1.sql", "ALTER TABLE n ALTER COLUMN a TYPE citext;")]
    for rows, level in [(10**5, Severity.WARNING), (10**9, Severity.CRITICAL)]:
        knowledge = known("CREATE TABLE n (a text);", rows={("public", "n"): rows})
        report = check(sources, Config(settings=QUIET), knowledge)
        assert [f.severity for f in report.findings] == [level]


def test_static_sql_of_a_do_block_is_judged_where_it_stands() -> None:
    sql = "DO $$\nBEGIN\n  DROP TABLE note;\nEND $$;"
    (finding,) = lint(sql).findings
    assert (finding.id, finding.line, finding.column) == ("drop-table", 3, 3)


WIDE = [
    ("a varchar(10)", "varchar(20)"),
    ("a varchar(10)", "varchar"),
    ("a varchar(10)", "text"),
    ("a text", "varchar"),
    ("a numeric(10,2)", "numeric(12,2)"),
    ("a numeric(10,2)", "numeric"),
    ("a time(3)", "time(6)"),
    ("a interval(3)", "interval(6)"),
    ("a timestamp(3)", "timestamp(6)"),
    ("a cidr", "inet"),
    ("a varbit(4)", "varbit(9)"),
    ("a varbit(4)", "varbit"),
    ("a int", "plain"),
]


@pytest.mark.parametrize(("column", "to"), WIDE)
def test_a_change_that_rewrites_nothing_is_not_flagged(column: str, to: str) -> None:
    schema = f"CREATE DOMAIN plain AS int;\nCREATE TABLE n ({column});"
    assert fired(f"ALTER TABLE n ALTER COLUMN a TYPE {to};", schema) == []


@pytest.mark.parametrize(("column", "to"), WIDE)
@pytest.mark.parametrize(
    "more",
    [
        "ALTER TABLE n ADD CHECK (a IS DISTINCT FROM NULL)",
        "CREATE INDEX i ON n ((a IS NULL))",
        "CREATE INDEX i ON n (b) WHERE a IS NULL",
    ],
)
def test_it_is_flagged_when_something_mentions_the_column(
    column: str, to: str, more: str
) -> None:
    schema = f"CREATE DOMAIN plain AS int;\nCREATE TABLE n ({column}, b int);{more};"
    sql = f"ALTER TABLE n ALTER COLUMN a TYPE {to};"
    assert fired(sql, schema) == ["type-change-rescans"]


def test_the_zone_decides() -> None:
    old, new = "timestamp", "timestamptz"
    for one, other in [(old, new), (new, old)]:
        schema = f"CREATE TABLE n (a {one});"
        sql = f"ALTER TABLE n ALTER COLUMN a TYPE {other};"
        assert fired(sql, schema) == ["type-change-time-zone"]
        assert fired(sql, schema, timezone="UTC") == []
        assert fired(f"SET TIME ZONE 'UTC';\n{sql}", schema) == []
        indexed = schema + "CREATE INDEX i ON n (a);"
        assert fired(sql, indexed, timezone="UTC") == ["type-change-rescans"]


@pytest.mark.parametrize(
    "definition",
    [
        "timestamptz NOT NULL DEFAULT now()",
        "date DEFAULT current_date",
        "timestamp DEFAULT localtimestamp",
        "text DEFAULT current_user",
        "text DEFAULT lower('A')",
        "int DEFAULT coalesce(1, 2)",
        "int GENERATED ALWAYS AS (1) VIRTUAL",
        "int CHECK (x > 0) NOT ENFORCED",
    ],
)
def test_what_others_flag_without_need(definition: str) -> None:
    assert fired(f"ALTER TABLE n ADD COLUMN x {definition};") == []


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE n ADD COLUMN x serial;", "add-serial-column"),
        ("ALTER TABLE n ADD COLUMN x int CHECK (x > 0);", "inline-check"),
        ("ALTER TABLE n ADD COLUMN x short;", "add-constrained-domain"),
        ("ALTER TABLE p ATTACH PARTITION c DEFAULT;", "attach-partition-unproven"),
        (
            "ALTER TABLE p ATTACH PARTITION c FOR VALUES FROM (1) TO (0x1FFFFFFFFFF);",
            "attach-partition-unproven",
        ),
        ("ALTER TABLE n SET UNLOGGED;", "set-logged"),
        ("TRUNCATE n;", "truncate"),
        ("REFRESH MATERIALIZED VIEW m;", "refresh-not-concurrent"),
        ("DO $$ BEGIN CREATE INDEX i ON n (a); END $$;", "index-not-concurrent"),
        ("SET session_replication_role = 'replica';", "constraints-switched-off"),
        (
            "SELECT set_config('session_replication_role', 'replica', false);",
            "constraints-switched-off",
        ),
        ("WITH x AS (DELETE FROM n RETURNING *) SELECT * FROM x;", "unbatched-change"),
        ("UPDATE n SET a = 1 WHERE 1 = 1 OR a = 2;", "unbatched-change"),
    ],
)
def test_what_others_miss(sql: str, rule: str) -> None:
    schema = "CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);"
    assert fired(sql, schema) == [rule]


@pytest.mark.parametrize(
    ("sql", "strategy"),
    [
        ("ALTER TABLE n ADD COLUMN a int;", Strategy.ADDITIVE),
        ("CREATE TABLE x (a int); UPDATE x SET a = 1;", Strategy.ADDITIVE),
        ("ALTER TABLE n DROP COLUMN a;", Strategy.EXPAND_CONTRACT),
        (
            (
                "ALTER TABLE n ADD COLUMN a int; CREATE TRIGGER t BEFORE UPDATE ON n "
                "FOR EACH ROW EXECUTE FUNCTION f();"
            ),
            Strategy.PARALLEL,
        ),
        ("ALTER TABLE n ADD CHECK (a > 1) NOT VALID;", Strategy.LAZY),
        ("UPDATE n SET a = 1 WHERE id BETWEEN 1 AND 9;", Strategy.LAZY),
        ("ALTER TABLE n RENAME a TO b;", Strategy.BIG_BANG),
        ("ALTER TABLE n ADD COLUMN a serial;", Strategy.BIG_BANG),
        ("UPDATE n SET a = 1;", Strategy.BIG_BANG),
    ],
)
def test_the_strategy_of_a_file(sql: str, strategy: Strategy) -> None:
    assert lint(sql).files[0].strategy is strategy


def test_a_version_decides_about_syntax() -> None:
    sql = "ALTER TABLE n ADD COLUMN a int GENERATED ALWAYS AS (1) VIRTUAL;"
    assert fired(sql, target_version=17) == ["syntax-too-new"]
    assert fired(sql, target_version=18) == []


PARTED = "CREATE TABLE p (id int, at date, a text) PARTITION BY RANGE (at)"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX i ON p (a);", "index-not-concurrent"),
        ("ALTER TABLE p ALTER COLUMN a SET NOT NULL;", "set-not-null"),
    ],
)
def test_partitions_that_no_file_shows_hold_rows_too(sql: str, rule: str) -> None:
    assert rule in fired(sql, PARTED)
    told = lint_whole(sql, PARTED).findings
    assert rule not in [finding.id for finding in told]


def test_statements_of_a_do_block_count_in_their_order() -> None:
    body = "CREATE TABLE t (a int);\nCREATE INDEX i ON t (a);\nDROP TABLE t;"
    assert fired(f"DO $$ BEGIN {body} END $$;") == []
    twice = "UPDATE note SET a = 1;"
    found = lint(f"DO $$ BEGIN\n{twice}\n{twice}\nEND $$;").findings
    assert [finding.line for finding in found] == [2, 3]


def test_a_materialized_view_that_is_made_again_loses_no_rows() -> None:
    schema = "CREATE TABLE n (a int); CREATE MATERIALIZED VIEW m AS SELECT a FROM n"
    again = "CREATE MATERIALIZED VIEW m AS SELECT a, 1 FROM n;"
    sql = f"DROP MATERIALIZED VIEW m;\n{again}"
    assert "table-made-again" not in fired(sql, schema)


@pytest.mark.parametrize(
    ("query", "held"),
    [
        ("SELECT o.name FROM other o JOIN n ON n.id = o.id", False),
        ("SELECT o.*, n.id FROM other o, n", False),
        ("SELECT *, (SELECT n.id FROM n WHERE n.id = o.id) FROM other o", False),
        ("WITH w AS (SELECT name FROM other) SELECT w.* FROM w, n", False),
        ("SELECT count(*) FROM n", False),
        ("SELECT m.name FROM n m", True),
        ("SELECT * FROM n", True),
        ("SELECT id FROM other UNION ALL SELECT max(name)::int FROM n", True),
        ("SELECT (SELECT name FROM other) FROM n", False),
        ("SELECT 1 FROM other JOIN n USING (name)", True),
    ],
)
def test_a_view_holds_the_columns_that_it_is_made_of(query: str, held: bool) -> None:
    schema = (
        "CREATE TABLE n (id int, name text); CREATE TABLE other (id int, name text);"
        f"CREATE VIEW v AS {query}"
    )
    told = fired("ALTER TABLE n ALTER COLUMN name TYPE varchar(9);", schema)
    assert ("held-by-view" in told) is held


def test_a_view_holds_on_through_renames() -> None:
    schema = "CREATE TABLE n (id int, name text); CREATE VIEW v AS SELECT name FROM n"
    sql = (
        "ALTER TABLE n RENAME COLUMN name TO title;\nALTER TABLE n RENAME TO m;\n"
        "ALTER TABLE m ALTER COLUMN title TYPE varchar(9);"
    )
    assert "held-by-view" in fired(sql, schema)


def test_goose_ends_a_statement_without_a_semicolon() -> None:
    sql = (
        "-- +goose Up\n-- +goose StatementBegin\nCREATE TABLE a (id int)\n"
        "-- +goose StatementEnd\n-- +goose StatementBegin\nCREATE TABLE b (id int)\n"
        "-- +goose StatementEnd\n"
    )
    source = read("1.sql", sql)
    assert source.problems == []
    assert [statement.line for statement in source.statements] == [3, 6]
    assert source.text == sql


def test_a_foreign_key_to_its_own_table_names_it_once() -> None:
    schema = "CREATE TABLE n (id int PRIMARY KEY, up int)"
    add = "ALTER TABLE n ADD CONSTRAINT f FOREIGN KEY (up) REFERENCES n;"
    (told,) = lint(add, schema).findings
    assert told.seen == "the foreign key reads n while it refuses writes"
    (told,) = lint("ALTER TABLE n DROP CONSTRAINT f;", f"{schema};{add}").findings
    assert told.seen == "dropping f locks n against all sessions"

"""Which table a name means, however it is written, and after it was changed."""

from __future__ import annotations

import pytest

from tests.unit.lint.kit import fired

SHOP = """
CREATE SCHEMA app;
CREATE TABLE note (id int PRIMARY KEY, slug varchar(20), size int CHECK (size > 0));
CREATE TABLE app.note (id int PRIMARY KEY, slug varchar(20));
CREATE INDEX note_slug ON app.note (lower(slug));
CREATE TABLE app.old (id int PRIMARY KEY, n numeric(10, 2));
CREATE INDEX old_n ON app.old (abs(n));
CREATE DOMAIN app.email AS text CHECK (VALUE <> '');
CREATE TABLE tree (id int, kind int) PARTITION BY LIST (kind);
CREATE TABLE tree_1 (id int, kind int NOT NULL CHECK (kind = 1));
"""
WIDER = "ALTER TABLE note ALTER COLUMN slug TYPE varchar(40);"
SERIAL = "ADD COLUMN number bigserial;"


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        (WIDER, []),
        (f"SET search_path TO app;\n{WIDER}", ["type-change-rescans"]),
        (f"SET search_path = '$user', app, public;\n{WIDER}", ["type-change-rescans"]),
        (
            f"SELECT set_config('search_path', 'app', false);\n{WIDER}",
            ["type-change-rescans"],
        ),
        (f"SET search_path TO app;\nRESET search_path;\n{WIDER}", []),
        (f"SET search_path TO public, app;\n{WIDER}", []),
        (f"BEGIN;\nSET LOCAL search_path TO app;\nCOMMIT;\n{WIDER}", []),
        (
            f"SET search_path TO app;\nALTER TABLE public.note {SERIAL}",
            ["add-serial-column"],
        ),
        # What is made goes into the first schema, whatever stands in the others.
        (
            (
                f"SET search_path TO app, public;\nCREATE TABLE tree (id int);\n"
                f"ALTER TABLE app.tree {SERIAL}\nALTER TABLE public.tree {SERIAL}"
            ),
            ["add-serial-column"],
        ),
        (
            "SET search_path TO app;\nALTER TABLE note ADD COLUMN sender email;",
            ["add-constrained-domain"],
        ),
        # A temporary table hides one of the same name, and is nobody else's.
        (f"CREATE TEMP TABLE note (id int);\nALTER TABLE note {SERIAL}", []),
        (
            f"CREATE TEMP TABLE note (id int);\nALTER TABLE public.note {SERIAL}",
            ["add-serial-column"],
        ),
        (
            (
                "CREATE TEMP TABLE note (id int);\nDROP TABLE note;\n"
                f"ALTER TABLE note {SERIAL}"
            ),
            ["add-serial-column"],
        ),
        # A table that is there is not made.
        (
            f"CREATE TABLE IF NOT EXISTS note (id int);\nALTER TABLE note {SERIAL}",
            ["add-serial-column"],
        ),
        (
            (
                "CREATE SCHEMA fresh CREATE TABLE note (id int);\n"
                f"ALTER TABLE fresh.note {SERIAL}\nALTER TABLE note {SERIAL}"
            ),
            ["add-serial-column"],
        ),
        # What hangs on a column or table goes along when it is renamed.
        (
            (
                "ALTER TABLE app.old RENAME COLUMN n TO amount;\n"
                "ALTER TABLE app.old ALTER COLUMN amount TYPE numeric(12, 2);"
            ),
            ["rename-column", "type-change-rescans"],
        ),
        (
            (
                "ALTER TABLE note RENAME COLUMN size TO length;\n"
                "ALTER TABLE note ALTER COLUMN length TYPE int;"
            ),
            ["rename-column", "type-change-rescans"],
        ),
        (
            (
                "ALTER INDEX app.note_slug RENAME TO note_low;\n"
                "DROP INDEX CONCURRENTLY note_low;\n"
                "ALTER TABLE app.note ALTER COLUMN slug TYPE varchar(40);"
            ),
            [],
        ),
        (
            (
                "CREATE TABLE leaf PARTITION OF tree FOR VALUES IN (2);\n"
                "ALTER TABLE tree RENAME TO bush;\n"
                "ALTER TABLE bush ATTACH PARTITION tree_1 FOR VALUES IN (1);"
            ),
            ["create-partition-of", "rename-table"],
        ),
    ],
)
def test_a_name_means_the_table_that_postgresql_takes(
    sql: str, wanted: list[str]
) -> None:
    assert fired(sql, SHOP) == wanted


PARTS = pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("ALTER INDEX sale_day ATTACH PARTITION sale_1_day;", []),
        (
            (
                "ALTER TABLE note ADD CONSTRAINT c CHECK (size > 0) NOT VALID, "
                "VALIDATE CONSTRAINT c;"
            ),
            ["validate-in-same-transaction"],
        ),
        (
            (
                "ALTER TABLE note ADD CONSTRAINT c CHECK (size > 0) NOT VALID;\n"
                "ALTER TABLE note VALIDATE CONSTRAINT c, ADD COLUMN n int;"
            ),
            ["validate-in-same-transaction"],
        ),
        (
            (
                "ALTER TABLE note ADD CONSTRAINT c CHECK (size > 0) NOT VALID;\n"
                "ALTER TABLE note VALIDATE CONSTRAINT c;"
            ),
            [],
        ),
        (
            (
                "ALTER TABLE note ADD COLUMN n int GENERATED ALWAYS AS (size) VIRTUAL "
                "NOT NULL;"
            ),
            ["inline-check"],
        ),
        ("ALTER INDEX note_slug SET TABLESPACE fast;", ["set-storage-place"]),
    ],
)


@pytest.mark.parametrize(
    ("column", "new", "wanted"),
    [
        ("serial", "int", []),
        ("serial", "bigint", ["type-change-rewrites"]),
        ("bigserial", "int", ["type-change-rewrites", "type-narrows"]),
    ],
)
def test_a_serial_is_the_integer_that_it_stands_for(
    column: str, new: str, wanted: list[str]
) -> None:
    sql = f"ALTER TABLE t ALTER COLUMN id TYPE {new};"
    assert fired(sql, f"CREATE TABLE t (id {column});") == wanted


@PARTS
def test_parts_of_one_statement_are_seen_together(sql: str, wanted: list[str]) -> None:
    assert fired(sql, SHOP) == wanted

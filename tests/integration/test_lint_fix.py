"""What `--fix` writes: it lints clean, and a server takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bluegreen.cli.lint import lint as verb
from tests.kit.databases import Database

SCHEMA = """
CREATE TABLE author (id bigint PRIMARY KEY);
CREATE TABLE note (id bigint NOT NULL, body text, size int, slug text,
    author_id bigint, "Ünï" int);
CREATE INDEX note_body ON note (body);
CREATE MATERIALIZED VIEW note_count AS SELECT count(*) AS n, 1 AS one FROM note;
CREATE UNIQUE INDEX note_count_one ON note_count (one);
CREATE TABLE sale (day int) PARTITION BY RANGE (day);
CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM (1) TO (9);
INSERT INTO author VALUES (1);
INSERT INTO note VALUES (1, 'b', 1, 's', 1, 1), (2, 'c', 2, 't', 1, 2);
"""
WRITTEN = [
    "CREATE INDEX note_slug ON note (slug)",
    "create /* new */ unique  index note_slug on public.note (slug)",
    "DROP INDEX note_body",
    "REINDEX TABLE note",
    "REINDEX INDEX note_body",
    "REFRESH MATERIALIZED VIEW note_count",
    "ALTER TABLE note ADD CONSTRAINT positive CHECK (size > 0)",
    "ALTER TABLE note ADD CHECK (size > 0)",
    'ALTER TABLE note ADD CHECK ("Ünï" > 0)',
    "ALTER TABLE note ADD FOREIGN KEY (author_id) REFERENCES author (id)",
    "ALTER TABLE ONLY note ADD CONSTRAINT of FOREIGN KEY (author_id) REFERENCES author",
    "ALTER TABLE note ALTER COLUMN body SET NOT NULL",
    'ALTER TABLE note ALTER "Ünï" SET NOT NULL',
    "ALTER TABLE note ADD CONSTRAINT note_key UNIQUE (slug, body)",
    "ALTER TABLE note ADD UNIQUE (slug)",
    "ALTER TABLE note ADD PRIMARY KEY (id)",
    "ALTER TABLE sale DETACH PARTITION sale_1",
    "ALTER TABLE note ADD COLUMN title text",
    # PostgreSQL gives the second CHECK another name than the first.
    "ALTER TABLE note ADD CHECK (size > 0);\nALTER TABLE note ADD CHECK (size < 9)",
    "ALTER TABLE note ADD UNIQUE (slug);\nALTER TABLE note ADD UNIQUE (slug)",
]
# What CONCURRENTLY is refused for, or would have to say more in two places.
LEFT_ALONE = [
    "DROP INDEX note_body CASCADE",
    "DROP INDEX sale_day",
    "REFRESH MATERIALIZED VIEW note_count WITH NO DATA",
    "REFRESH MATERIALIZED VIEW keyless",
    "ALTER TABLE note ADD CONSTRAINT u UNIQUE (id) INCLUDE (slug)",
    "ALTER TABLE note ADD CONSTRAINT u UNIQUE (id) WITH (fillfactor = 50)",
    "ALTER TABLE note ADD CONSTRAINT u UNIQUE NULLS NOT DISTINCT (id)",
    "ALTER TABLE note ADD CONSTRAINT u UNIQUE (id) DEFERRABLE",
    "ALTER TABLE sale ADD UNIQUE (day)",
    "ALTER TABLE sale ADD PRIMARY KEY (day)",
    "ALTER TABLE rest DETACH PARTITION rest_1",
]
RELATIVES = """
CREATE INDEX sale_day ON sale (day);
CREATE MATERIALIZED VIEW keyless AS SELECT 1 AS one;
CREATE TABLE rest (day int) PARTITION BY RANGE (day);
CREATE TABLE rest_1 PARTITION OF rest FOR VALUES FROM (1) TO (9);
CREATE TABLE rest_2 PARTITION OF rest DEFAULT;
"""
APP = typer.Typer(add_completion=False)
APP.command()(verb)


@pytest.mark.parametrize("written", LEFT_ALONE)
def test_what_cannot_be_made_safe_by_a_word_is_left_alone(
    written: str, tmp_path: Path
) -> None:
    file = tmp_path / "1.sql"
    file.write_text(f"SET lock_timeout = '1s';\n{written};\n")
    assert fixed(file, SCHEMA + RELATIVES)[0] == file.read_text()
    assert file.read_text().endswith(f"\n{written};\n")


def fixed(file: Path, known: str = SCHEMA) -> tuple[str, int, str]:
    """The file after `--fix`, the exit status, and what is still said."""
    schema = file.with_name("schema.sql")
    schema.write_text(known)
    words = [str(file), "--fix", "--schema", str(schema), "--fail-level", "error"]
    result = CliRunner().invoke(APP, words)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return file.read_text("utf-8"), result.exit_code, result.stdout


@pytest.mark.parametrize("major", [14, 18])
def test_what_fix_writes_lints_clean_and_runs(
    major: int, database: Callable[[int], Database], tmp_path: Path
) -> None:
    for number, written in enumerate(WRITTEN):
        file = tmp_path / f"{number}.sql"
        file.write_text(f"-- {written[:9]}\n{written};\n", encoding="utf-8")
        text, status, said = fixed(file)
        assert status == 0, said
        assert text != f"-- {written[:9]}\n{written};\n"
        once = text
        assert fixed(file)[0] == once
        one = database(major)
        one.run(SCHEMA)
        # As a tool would that opens no transaction: statement by statement.
        with one.connect() as session:
            for statement in text.split(";\n"):
                if statement.strip():
                    session.execute(statement.encode())

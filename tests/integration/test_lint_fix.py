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
]
APP = typer.Typer(add_completion=False)
APP.command()(verb)


def fixed(file: Path) -> tuple[str, int, str]:
    """The file after `--fix`, the exit status, and what is still said."""
    schema = file.with_name("schema.sql")
    schema.write_text(SCHEMA)
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

"""Words that Flyway, Liquibase or goose would put in are not taken for text."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.migrators.script import read_script
from bluegreen.model.errors import PlaybookRefused

DEFAULT = "ALTER TABLE t ALTER c SET DEFAULT '${env}';\n"
BODY = "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '${a.b:c}' $$;\n"
LIQUIBASE = "--liquibase formatted sql\n--changeset me:1\n"
REFUSED = [
    ("V4__x.sql", DEFAULT, "${env}", 1),
    ("m/V4.1_2__x.sql", f"SELECT 1;\n{DEFAULT}", "${env}", 2),
    ("R__views.sql", BODY, "${a.b:c}", 1),
    ("V5__x.sql", f"/* ${{gone}} */ {DEFAULT}", "${env}", 1),
    ("1.sql", LIQUIBASE + DEFAULT, "${env}", 3),
    ("1.sql", f"-- +goose Up\n-- +goose ENVSUB ON\n{DEFAULT}", "${env}", 3),
]
RUN = [
    ("1.sql", DEFAULT),
    ("Vorlage__x.sql", DEFAULT),
    ("V4__x.sql", "-- ${env}\nSELECT 1 /* ${env} */;\n"),
    ("V4__x.sql", "SELECT '$env', '{env}', '${}', '$ {env}';\n"),
    (
        "1.sql",
        f"-- +goose ENVSUB ON\nSELECT 1;\n-- +goose ENVSUB OFF\n{DEFAULT}",
    ),
]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "text", "word", "line"), REFUSED)
def test_a_word_that_nobody_filled_is_refused(
    tmp_path: Path, name: str, text: str, word: str, line: int
) -> None:
    with pytest.raises(PlaybookRefused) as refused:
        read_script(write(tmp_path, name, text), name)
    assert refused.value.seen == (
        f"{name}:{line}: {word} is a placeholder without a value"
    )


@pytest.mark.parametrize(("name", "text"), RUN)
def test_text_that_only_looks_like_one_runs(
    tmp_path: Path, name: str, text: str
) -> None:
    assert read_script(write(tmp_path, name, text), name).parts

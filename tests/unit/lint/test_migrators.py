"""Migrations read as the tools lay them out, and as they print them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bluegreen.cli.lint import lint as verb
from bluegreen.migrators.layouts import LAYOUTS, forward_files
from bluegreen.migrators.printed import alembic_parts, printed
from bluegreen.model.errors import PlaybookRefused

APP = typer.Typer(add_completion=False)
APP.command()(verb)
LAID_OUT = {
    "atlas": ["20240102_b.sql", "20230102_a.sql", "20231231.sql"],
    "dbmate": ["db/migrations/20240102_b.sql", "db/migrations/20230102_a.sql"],
    "flyway": ["V10__c.sql", "V2__b.sql", "V1.1__a.sql", "R__views.sql", "U2__b.sql"],
    "golang-migrate": ["10_c.up.sql", "9_b.up.sql", "10_c.down.sql", "9_b.down.sql"],
    "goose": ["00010_b.sql", "00009_a.sql", "00011_c.go"],
    "prisma": ["2_b/migration.sql", "1_a/migration.sql", "migration_lock.toml"],
}
ORDER = {
    "atlas": ["20230102_a.sql", "20231231.sql", "20240102_b.sql"],
    "dbmate": ["20230102_a.sql", "20240102_b.sql"],
    "flyway": ["V1.1__a.sql", "V2__b.sql", "V10__c.sql", "R__views.sql"],
    "golang-migrate": ["9_b.up.sql", "10_c.up.sql"],
    "goose": ["00009_a.sql", "00010_b.sql"],
    "prisma": ["1_a/migration.sql", "2_b/migration.sql"],
}


def put(folder: Path, names: list[str], text: str = "SELECT 1;") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(APP, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize("tool", LAID_OUT)
def test_the_way_forward_in_the_tools_order(tool: str, tmp_path: Path) -> None:
    put(tmp_path, LAID_OUT[tool])
    found = [path.as_posix() for path in forward_files(tool, tmp_path)]
    assert len(found) == len(ORDER[tool])
    assert all(
        path.endswith(name) for path, name in zip(found, ORDER[tool], strict=True)
    )


def test_sqitch_goes_by_its_plan(tmp_path: Path) -> None:
    put(tmp_path, ["deploy/b.sql", "deploy/a.sql", "deploy/c.sql", "revert/a.sql"])
    tmp_path.joinpath("sqitch.plan").write_text(
        "%syntax-version=1.0.0\n%project=shop\n\nb 2024-01-01T00:00:00Z A <a@b> # x\n"
        "a [b] 2024-01-02T00:00:00Z A <a@b> # y\n@v1 2024-01-02T00:00:00Z A <a@b> # t\n"
    )
    found = [path.name for path in forward_files("sqitch", tmp_path)]
    assert found == ["b.sql", "a.sql"]


def test_drizzle_goes_by_its_journal(tmp_path: Path) -> None:
    put(tmp_path, ["0000_b.sql", "0001_a.sql", "0002_left_over.sql"])
    entries = [{"idx": 1, "tag": "0001_a"}, {"idx": 0, "tag": "0000_b"}]
    put(tmp_path, ["meta/_journal.json"], json.dumps({"entries": entries}))
    found = [path.name for path in forward_files("drizzle", tmp_path)]
    assert found == ["0000_b.sql", "0001_a.sql"]
    put(tmp_path, ["meta/_journal.json"], "{}")
    with pytest.raises(PlaybookRefused, match="cannot be read"):
        forward_files("drizzle", tmp_path)


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_folder_without_migrations_is_refused(tool: str, tmp_path: Path) -> None:
    put(tmp_path, ["readme.md", "query.sql"])
    with pytest.raises(PlaybookRefused) as refusal:
        run(str(tmp_path), "--migrator", tool)
    assert str(refusal.value).splitlines()[:2] == [
        f"error BG-2001: there are no migrations of {tool}",
        f"  seen:    no file in {tmp_path} has a name that {tool} runs",
    ]


def test_the_tool_decides_about_transactions(tmp_path: Path) -> None:
    build = "CREATE INDEX CONCURRENTLY i ON n (a);"
    put(tmp_path, ["1_a.up.sql"], build)
    assert run(str(tmp_path), "--migrator", "golang-migrate")[0] == 0
    put(tmp_path, ["1_a.up.sql"], f"{build}\n{build}")
    status, text = run(str(tmp_path), "--migrator", "golang-migrate")
    assert (status, "concurrently-in-transaction" in text) == (1, True)
    put(tmp_path, ["V1__a.sql"], build)
    assert run(str(tmp_path), "--migrator", "flyway")[0] == 1
    assert run(str(tmp_path), "--migrator", "flyway", "--transaction", "none")[0] == 0


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("executeInTransaction=false\n", 0),
        ("encoding=UTF-8\r\n executeintransaction = FALSE\r\n", 0),
        ("executeInTransaction=true\n", 1),
        ("# executeInTransaction=false\n", 1),
    ],
)
def test_flyway_is_told_of_transactions_beside_the_file(
    tmp_path: Path, said: str, status: int
) -> None:
    put(tmp_path, ["V1__a.sql"], "CREATE INDEX CONCURRENTLY i ON n (a);")
    put(tmp_path, ["V1__a.sql.conf"], said)
    assert run(str(tmp_path), "--migrator", "flyway")[0] == status


ALEMBIC = """BEGIN;

CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);

-- Running upgrade  -> a1

CREATE TABLE note (id BIGSERIAL NOT NULL);

INSERT INTO alembic_version (version_num) VALUES ('a1');

{between}-- Running upgrade a1 -> b2

ALTER TABLE author ADD COLUMN x INTEGER;

UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'a1';

COMMIT;
"""


def test_alembic_is_read_by_its_transactions() -> None:
    assert list(alembic_parts(ALEMBIC.format(between=""))) == ["alembic"]
    parts = alembic_parts(ALEMBIC.format(between="COMMIT;\n\nBEGIN;\n\n"))
    assert list(parts) == ["alembic a1", "alembic b2"]
    assert b"".join(parts.values()).decode() == ALEMBIC.format(
        between="COMMIT;\n\nBEGIN;\n\n"
    )
    assert alembic_parts("\n") == {}


def test_what_a_tool_remembers_is_no_change_of_data(tmp_path: Path) -> None:
    put(tmp_path, ["1.sql"], "SET lock_timeout = '1s';\n" + ALEMBIC.format(between=""))
    assert run(str(tmp_path)) == (
        0,
        "1 file: 0 error, 0 warning, 0 info; strategy: additive-only\n",
    )


def test_a_tool_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlaybookRefused) as refusal:
        printed("alembic", tmp_path, "")
    assert str(refusal.value) == (
        "error BG-2001: alembic is not on this machine\n"
        "  seen:    looked along PATH\n"
        "  wanted:  the alembic of the project whose migrations are to be read\n"
        "  hint:    activate the project's virtual environment, then run this again"
    )


def test_a_tool_that_fails_is_told_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    put(tmp_path, ["manage.py"], "raise SystemExit('the settings are wrong')")
    put(tmp_path, ["shop/migrations/0001_initial.py"], "")
    with pytest.raises(PlaybookRefused) as refusal:
        printed("django", tmp_path, "")
    assert str(refusal.value) == (
        "error BG-2001: manage.py could not print its SQL\n"
        "  seen:    the settings are wrong\n"
        "  wanted:  manage.py sqlmigrate shop 0001_initial\n"
        f"  hint:    does the same command work by hand in {tmp_path}?"
    )


def test_django_prints_migration_by_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    put(tmp_path, ["manage.py"], "import sys; print('SELECT', repr(sys.argv[1:]), ';')")
    names = ["0002_b", "0001_a"]
    put(tmp_path, [f"shop/migrations/{name}.py" for name in names], "")
    put(tmp_path, ["other/migrations/0001_c.py", "shop/migrations/__init__.py"], "")
    assert list(printed("django", tmp_path, "shop")) == [
        "django shop.0001_a",
        "django shop.0002_b",
    ]
    assert list(printed("django", tmp_path, "other, shop.0002_b")) == [
        "django other.0001_c",
        "django shop.0002_b",
    ]

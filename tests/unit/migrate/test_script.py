"""How a file falls into statements, and how each has to be run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluegreen.migrators.order import compare, files_in_order, natural
from bluegreen.migrators.script import (
    CONTRACT,
    Part,
    Script,
    first_unread,
    read_script,
)
from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.record import Kind, Record
from bluegreen.postgres.catalog.locks import taken_since
from bluegreen.postgres.schema.applied import AppliedRow
from bluegreen.steps.schema_change.stream import stopped_by


def script(tmp_path: Path, text: str) -> Script:
    (tmp_path / "1.sql").write_text(text)
    return read_script(tmp_path / "1.sql", "1.sql")


def test_statements_are_cut_where_postgresql_cuts_them(tmp_path: Path) -> None:
    found = script(
        tmp_path,
        "/* a; /* nested; */ b */ SELECT ';' AS \"a;b\"; -- c;\n"
        "DO $x$ BEGIN PERFORM ';'; END $x$;\n\n;;\n"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql\nBEGIN ATOMIC SELECT 1; END;\n"
        "SELECT E'\\';', U&'\\0041;'",
    )
    assert [(part.line, part.text.split()[0]) for part in found.parts] == [
        (1, "SELECT"),
        (2, "DO"),
        (5, "CREATE"),
        (7, "SELECT"),
    ]
    assert found.together


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("CREATE INDEX i ON t (a)", True),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", False),
        ("DROP INDEX CONCURRENTLY i", False),
        ("REINDEX TABLE CONCURRENTLY t", False),
        ("REINDEX (CONCURRENTLY) TABLE t", False),
        ("REINDEX TABLE t", True),
        ("REINDEX (CONCURRENTLY false) TABLE t", True),
        ("REINDEX SCHEMA s", False),
        ("REINDEX SYSTEM d", False),
        ("VACUUM t", False),
        ("VACUUM (ANALYZE) t", False),
        ("ANALYZE t", True),
        ("CLUSTER", False),
        ("CLUSTER t USING i", True),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", False),
        ("ALTER TABLE t DETACH PARTITION p", True),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", True),
        ("ALTER SYSTEM SET work_mem = '1MB'", False),
        ("BEGIN; SELECT 1; COMMIT", False),
        ("ALTER TYPE m ADD VALUE 'x'", True),
        ("ALTER TYPE m ADD VALUE 'x'; ALTER TABLE t ADD a int", True),
        ("ALTER TYPE m ADD VALUE 'x'; UPDATE t SET m = 'x'", False),
        ("ALTER TYPE m RENAME VALUE 'x' TO 'y'; UPDATE t SET m = 'y'", True),
        ("-- bluegreen: no-transaction\nCALL p()", False),
        ("CALL p()", True),
    ],
)
def test_what_cannot_share_a_transaction(
    text: str, together: bool, tmp_path: Path
) -> None:
    assert script(tmp_path, text).together is together


@pytest.mark.parametrize(
    "text", ["SELEC 1;", "SELECT 1;\nSELEC 2;\n", "foo;", "SELECT 1; foo", "@@@;"]
)
def test_nothing_is_passed_over(text: str, tmp_path: Path) -> None:
    with pytest.raises(PlaybookRefused):
        script(tmp_path, text)


def test_only_blanks_may_stand_between_statements() -> None:
    assert first_unread("a ;\n\t b", [(0, 1), (6, 7)]) is None
    assert first_unread("a; x; b", [(0, 1), (6, 7)]) == 3
    assert first_unread("a; x", [(0, 1)]) == 3
    assert first_unread("x a", [(2, 3)]) == 0


def test_files_that_are_not_plain_sql_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_bytes(b"SELECT 1;\n\xff")
    with pytest.raises(PlaybookRefused) as caught:
        read_script(tmp_path / "1.sql", "m/1.sql")
    assert "m/1.sql:2: byte 0xff is not UTF-8" in str(caught.value)
    with pytest.raises(PlaybookRefused) as caught:
        read_script(tmp_path / "2.sql", "m/2.sql")
    assert "No such file" in caught.value.seen


def test_a_line_inside_a_statement() -> None:
    part = Part("UPDATE t\nSET a\n= b", line=7)
    assert [part.line_at(None), part.line_at(3), part.line_at(15)] == [7, 7, 9]


def test_numbers_go_by_value_and_patterns_in_their_order(tmp_path: Path) -> None:
    for name in ("2_b", "10_a", "1_c", "z"):
        (tmp_path / f"{name}.sql").write_text("")
    (tmp_path / "first.txt").write_text("")
    assert files_in_order(tmp_path, ["first.txt", "*.sql", "z.sql"]) == [
        "first.txt",
        "1_c.sql",
        "2_b.sql",
        "10_a.sql",
        "z.sql",
    ]


@pytest.mark.parametrize(
    "name", ["1_a.down.sql", "down.sql", "DOWN.SQL", "U2__a.sql", "U1.2__a.sql"]
)
def test_a_pattern_must_not_take_in_a_way_down(name: str, tmp_path: Path) -> None:
    for each in ("1_a.up.sql", "slow_down.sql", "UP.sql", "U_a__b.sql", name):
        (tmp_path / each).write_text("SELECT 1;")
    with pytest.raises(PlaybookRefused) as caught:
        files_in_order(tmp_path, ["*.[sS][qQ][lL]"])
    assert caught.value.code == 2009
    assert str(caught.value).endswith(
        f"  seen:    '*.[sS][qQ][lL]' fits {name}\n"
        "  wanted:  the way up alone\n"
        "  hint:    narrow the pattern of the step, e.g. to `*.up.sql` or `*/up.sql`"
    ), str(caught.value)
    assert files_in_order(tmp_path, [f"./{name}"]) == [name]


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- +goose Up", "-- +goose Down"),
        ("-- migrate:up", "-- migrate:down"),
        ("-- +migrate Up", "-- +migrate Down"),
    ],
)
def test_a_way_down_in_the_same_file_never_runs(
    up: str, down: str, tmp_path: Path
) -> None:
    path = tmp_path / "1.sql"
    texts = [
        f"{up}\nCREATE TABLE t ();\n{down}\nDROP TABLE t;\n",
        f"{up}\nCREATE TABLE t ();\n{down}\nDROP TABLE IF EXISTS t;\n{CONTRACT}\n",
        f"{up}\nCREATE TABLE t ();\n{CONTRACT}\nDROP TABLE u;\n{down}\nDROP TABLE t;",
    ]
    for text in texts:
        path.write_text(text)
        (part,) = read_script(path, "1.sql").parts
        assert part.text == "CREATE TABLE t ()"
    (part,) = read_script(path, "1.sql", "contract").parts
    assert part.text == "DROP TABLE u"
    assert [p.text for p in read_script(path, "1.sql", None).parts] == [
        "CREATE TABLE t ()",
        "DROP TABLE u",
    ]


@given(st.text(), st.text())
def test_any_two_names_can_be_put_in_order(one: str, other: str) -> None:
    assert (natural(one) < natural(other)) or (natural(one) >= natural(other))


def made(name: str, *texts: str) -> Script:
    return Script(name, f"sha of {texts}", tuple(Part(t, 1) for t in texts), True)


def row(one: Script, done: int, *, finished: bool) -> AppliedRow:
    return AppliedRow(
        one.name, one.digest, done, one.digest_of_first(done), 0, finished
    )


def test_history() -> None:
    a, b, c = made("a", "1"), made("b", "1", "2"), made("c", "3")
    found = compare([a, b, c], [row(a, 1, finished=True), row(b, 1, finished=False)])
    assert found.fault is None
    assert found.applied == ("a",)
    assert [(one.name, one.done) for one in found.pending] == [("b", 1), ("c", 0)]
    behind = made("b", "1", "other")
    assert compare([a, behind], [row(b, 1, finished=False)][:0]).fault is None
    rows = [row(a, 1, finished=True), row(b, 1, finished=False)]
    assert compare([a, behind, c], rows).fault is None
    before = made("b", "0", "2")
    fault = compare([a, before, c], rows).fault
    assert fault is not None
    assert "in a part that was applied" in fault.problem


def test_locks_that_are_new_or_stronger() -> None:
    before = {"a": "ShareLock", "b": "AccessExclusiveLock"}
    now = {**before, "a": "AccessExclusiveLock", "c": "ShareLock"}
    assert taken_since(before, now) == {"a": "AccessExclusiveLock", "c": "ShareLock"}


def note(seq: int, body: dict[str, object], kind: Kind = Kind.NOTE) -> Record:
    return Record(seq, datetime.now(UTC), kind, 0, "r", "m/apply", body)


def test_a_stream_that_was_left_stopped() -> None:
    stopped = note(1, {"stream": "stopped", "tables": [["public", "t"]]})
    started = note(2, {"stream": "started"})
    assert stopped_by("m/apply", []) is None
    assert stopped_by("m/apply", [stopped]) == {("public", "t")}
    assert stopped_by("m/apply", [stopped, note(2, {"migration": "x"})]) is not None
    assert stopped_by("other", [stopped]) is None
    assert stopped_by("m/apply", [stopped, started]) is None
    moved = note(2, {"to": "green"}, Kind.COMMITTED)
    assert stopped_by("m/apply", [stopped, moved]) is None

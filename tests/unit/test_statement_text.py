"""A statement in an error says what was run, and no value that stood in it."""

from __future__ import annotations

import pytest

from bluegreen.postgres.schema.dump import Entry, parts_of
from bluegreen.postgres.statement_text import SHOWN_CHARACTERS, shown

SHOWN = {
    "CREATE SUBSCRIPTION s CONNECTION 'password=xyz'": (
        "CREATE SUBSCRIPTION s CONNECTION '…'"
    ),
    "ALTER ROLE r PASSWORD E'x\\'yz' VALID UNTIL 'xyz'": (
        "ALTER ROLE r PASSWORD '…' VALID UNTIL '…'"
    ),
    "DO $$ BEGIN PERFORM 'xyz'; END $$": "DO '…'",
    "DO $a$ xyz $$ xyz $a$; SELECT $1": "DO '…'; SELECT $1",
    "SELECT \"it's\", 'xyz'": "SELECT \"it's\", '…'",
    "SELECT 1 -- don't\n, 'xyz'": "SELECT 1 , '…'",
    "SELECT /* don't */ 'x''yz'": "SELECT '…'",
    "SELECT 'xyz": "SELECT '…'",
    "SELECT $q$ xyz": "SELECT '…'",
    "\n\nCREATE TABLE t (\n    a int\n);\n\n": "CREATE TABLE t ( a int );",
}


@pytest.mark.parametrize("text", SHOWN)
def test_a_statement_is_shown_without_its_values(text: str) -> None:
    assert shown(text) == SHOWN[text]
    assert "yz" not in shown(text)


def test_a_long_statement_is_cut() -> None:
    cut = shown("SELECT " + "a, " * 1000)
    assert len(cut) <= SHOWN_CHARACTERS + 2
    assert cut.endswith(" …")


def entry(number: int, what: str) -> Entry:
    return Entry(f"{number}; 1 {number} {what}", 1, number, what)


def header(name: str, kind: str, schema: str) -> str:
    return f"--\n-- Name: {name}; Type: {kind}; Schema: {schema}; Owner: me\n--\n\n"


def test_parts_find_their_entries_where_grants_come_last() -> None:
    entries = [
        entry(1, "ACL s TABLE t me"),
        entry(2, "OPERATOR s = me"),
        entry(3, "OPERATOR s = me"),
    ]
    script = "SET x = 1;\n\n" + "".join(
        [
            header("=", "OPERATOR", "s") + "CREATE OPERATOR s.= (1);\n\n",
            header("=", "OPERATOR", "s") + "CREATE OPERATOR s.= (2);\n\n",
            header("TABLE t", "ACL", "s") + "GRANT SELECT ON s.t TO a;\n",
        ]
    )
    parts = parts_of(script, entries)
    assert [part.entry.oid for part in parts] == [2, 3, 1]
    assert [part.thing for part in parts] == [
        "OPERATOR s =",
        "OPERATOR s =",
        "ACL s TABLE t",
    ]
    assert parts[2].text.strip() == "GRANT SELECT ON s.t TO a;"


def test_a_body_that_looks_like_a_header_divides_nothing() -> None:
    inside = header("x", "TABLE", "s") + "text"
    script = header("f()", "FUNCTION", "s") + inside
    [part] = parts_of(script, [entry(1, "FUNCTION s f() me")])
    assert part.text == f"\n{inside}"


def test_an_extension_has_no_owner_in_the_list() -> None:
    script = header("ltree", "EXTENSION", "-").replace("me\n", "-\n") + "CREATE"
    [part] = parts_of(script, [entry(1, "EXTENSION - ltree ")])
    assert part.thing == "EXTENSION ltree"


def test_what_a_table_rests_on_goes_with_it() -> None:
    script = (
        header("s", "SCHEMA", "-")
        + "CREATE SCHEMA s;\n\n\nSET default_table_access_method = columnar;\n\n"
        + header("t", "TABLE", "s")
        + "CREATE TABLE s.t ();\n"
    )
    first, second = parts_of(
        script, [entry(1, "SCHEMA - s me"), entry(2, "TABLE s t me")]
    )
    assert "SET" not in first.text
    assert second.text.startswith("SET default_table_access_method = columnar;\n")

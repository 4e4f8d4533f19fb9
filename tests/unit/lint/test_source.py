"""Places in a file: bytes against characters, comments, psql, and what cannot parse."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bluegreen.lint.reading_ahead import read_all
from bluegreen.sql.source import read


def test_lines_and_columns_count_characters() -> None:
    source = read("x", "SELECT 'é';\n/* ç /* ü */ 漢 */ ALTER TABLE \"Ünï\" ADD é int;")
    statement = source.statements[1]
    assert (statement.line, statement.column) == (2, 19)
    assert statement.text == 'ALTER TABLE "Ünï" ADD é int'
    location = statement.tree["relation"]["location"]
    assert source.text[statement.offset(location) :].startswith('"Ünï"')


def test_the_column_of_a_statement_parsed_alone_counts_from_the_file() -> None:
    source = read("x", "bad é;\nALTER TABLE ü ADD COLUMN é int;")
    statement = source.statements[0]
    assert source.place(statement.offset(statement.tree["relation"]["location"])) == (
        2,
        13,
    )


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("SELECT 'é';\nSELECT FROM FROM x;", (2, 13)),
        ("SELECT 1;\nSELECT 'ab", (2, 8)),
        ("SELECT a FROM", (1, 14)),
        ("é é é sel", (1, 1)),
        ("SELECT $a$ x", (1, 8)),
        ("SELECT 1; /* é", (1, 11)),
        ("SELECT 1;\n\0", (2, 1)),
        ("SELECT 0;\nSELECT 1;\n  SELECT E'\\xday;'", (3, 3)),
    ],
)
def test_a_syntax_error_names_its_place(sql: str, place: tuple[int, int]) -> None:
    source = read("x", sql)
    assert source.problems[0].fault == "syntax-error"
    assert source.place(source.problems[0].at) == place


def test_a_fault_hides_no_other_statement() -> None:
    source = read("x", "SELECT 1; SELEC 2; DROP TABLE t; SELECT 'x")
    assert [s.text for s in source.statements] == ["SELECT 1", "DROP TABLE t"]
    assert len(source.problems) == 2


def test_psql_commands_are_named_and_stepped_over() -> None:
    source = read("x", "\\connect shop\nDROP TABLE a;\n  \\i b.sql\nDROP TABLE c;")
    assert [s.text for s in source.statements] == ["DROP TABLE a", "DROP TABLE c"]
    assert [(p.fault, p.message) for p in source.problems] == [
        ("psql-meta-command", "psql meta-command \\connect"),
        ("psql-meta-command", "psql meta-command \\i"),
    ]


def test_a_backslash_in_a_string_is_no_command() -> None:
    assert read("x", "SELECT '\n\\connect x';").problems == []


def test_rows_of_copy_are_stepped_over() -> None:
    source = read("x", "COPY t FROM stdin;\n1\tit's\n\\.\nDROP TABLE t;")
    assert [s.kind for s in source.statements] == ["CopyStmt", "DropStmt"]
    assert [p.fault for p in source.problems] == ["copy-data"]


def test_a_byte_that_is_not_utf8_has_a_place() -> None:
    source = read("x", "SELECT 'é';\nSELECT 'ab\xff'".encode("latin-1"))
    assert source.problems[0].fault == "not-utf8"
    assert source.place(source.problems[0].at) == (1, 9)


def test_a_byte_order_mark_is_left_out() -> None:
    source = read("x", b"\xef\xbb\xbfSELECT 1;")
    assert source.statements[0].column == 1


def test_too_deep_is_a_finding() -> None:
    source = read("x", "DROP TABLE a; SELECT " + "1+" * 3000 + "1")
    assert [s.kind for s in source.statements] == ["DropStmt"]
    assert source.problems[0].message == "the statement is nested too deeply to be read"


def test_comments_are_found_and_strings_are_not() -> None:
    source = read("x", "SELECT '-- no'; -- é yes\n/* and */")
    assert [c.text for c in source.comments] == ["-- é yes", "/* and */"]


def test_the_node_is_the_same_statement() -> None:
    node = read("x", "SELECT 1; DROP TABLE a").statements[1].node
    assert type(node).__name__ == "DropStmt"


def test_the_classes_of_nodes_are_not_loaded_before_they_are_used() -> None:
    program = (
        "import sys, bluegreen.lint.engine as engine, bluegreen.sql.source as source\n"
        "engine.check([source.read('x', 'DROP TABLE a')])\n"
        "print(type(sys.modules['pglast.ast']).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "_LazyModule\n"


def test_files_are_read_in_order_and_their_trees_let_go() -> None:
    files = {f"{n}.sql": f"DROP TABLE t{n};".encode() for n in range(3)}
    read_so_far = []
    for name, source in zip(files, read_all(files), strict=True):
        assert source.name == name
        assert [s.text for s in source.statements] == [files[name].decode()[:-1]]
        read_so_far.append(source)
    assert not any(source.statements for source in read_so_far)

"""Rules about the file: what cannot be read, and ignores that say too little."""

from __future__ import annotations

import re

from bluegreen.lint.rule import Rule, never, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op

_NO_EFFECT = "None: nothing of it reaches the server."


def _needs(op: Op) -> tuple[int, str]:
    """The first major version that has the syntax, and what it is."""
    column, constraint = op.column, op.constraint
    if column and column.generated == "v":
        return 18, "a VIRTUAL generated column"
    if constraint and constraint.kind == "notnull":
        return 18, "ADD CONSTRAINT … NOT NULL"
    if constraint and not constraint.enforced:
        return 18, "NOT ENFORCED"
    if op.kind is Kind.SET_EXPRESSION:
        return 17, "SET EXPRESSION"
    if op.kind is Kind.MERGE:
        return 15, "MERGE"
    if op.kind is Kind.SET_ACCESS_METHOD:
        return 15, "SET ACCESS METHOD"
    if "nulls_not_distinct" in op.flags:
        return 15, "NULLS NOT DISTINCT"
    if op.kind is Kind.DETACH_PARTITION and "concurrently" in op.flags:
        return 14, "DETACH PARTITION … CONCURRENTLY"
    return 0, ""


def _too_new(op: Op, state: State) -> str | None:
    if not state.versions.chosen:
        return None
    needed, what = _needs(op)
    if state.versions.low < needed:
        return f"{what} needs PostgreSQL {needed}, the target is {state.versions.low}"
    return None


_UP = re.compile(r"^--\s*(\+goose up|migrate:up|\+migrate up)\b", re.I | re.M)


def _no_way_down(_op: Op, state: State) -> str | None:
    source = state.file.source
    if state.file.schema is None or not _UP.search(source.text):
        return None
    rest = _COMMENT.sub("", source.text[source.way_down :])
    return None if rest.strip(" \t\r\n;") else "the file has a way up and no way down"


_COMMENT = re.compile(r"--[^\n]*")


def _irreversible(_op: Op, state: State) -> str | None:
    lost = state.file.lost
    return f"no way down brings back {lost}" if lost else None


RULES = (
    Rule(
        id="no-way-down",
        name="A file for both ways has no way down",
        severity=Severity.INFO,
        kinds=on(Kind.END_OF_FILE),
        condition=_no_way_down,
        effect="None.",
        why="When the release is taken back, someone has to write it at night.",
        workaround="Write the way down beside the way up, and try it.",
        bad="-- migrate:up\nALTER TABLE note ADD COLUMN body text;\n-- migrate:down\n",
        good="-- migrate:up\nALTER TABLE note ADD COLUMN body text;\n"
        "-- migrate:down\nALTER TABLE note DROP COLUMN body;",
        off=True,
    ),
    Rule(
        id="irreversible",
        name="The file cannot be taken back",
        severity=Severity.INFO,
        kinds=on(Kind.END_OF_FILE),
        condition=_irreversible,
        effect="None.",
        why="A way down restores the schema, not the rows.",
        workaround="Keep what is lost aside, in a table of its own, for as long as the "
        "release may be taken back.",
        bad="DELETE FROM note WHERE id = 7;",
        good="INSERT INTO note (id) VALUES (7);",
        off=True,
    ),
    Rule(
        id="syntax-error",
        name="The SQL does not parse",
        severity=Severity.CRITICAL,
        kinds=on(),
        condition=never,
        effect=_NO_EFFECT,
        why="The migration stops half way; statements before the fault have run.",
        workaround="Fix the SQL. The grammar is that of PostgreSQL 18.",
        bad="SELECT FROM WHERE;",
        good="SELECT 1;",
    ),
    Rule(
        id="psql-meta-command",
        name="A command of psql stands in the file",
        severity=Severity.WARNING,
        kinds=on(),
        condition=never,
        effect="Unknown: what \\i includes or where \\connect leads is not read.",
        why="Migration tools send the file to the server, which knows no backslashes.",
        workaround="Write SQL only; pass files and connections on the command line.",
        bad="\\connect shop\nSELECT 1;",
        good="SELECT 1;",
    ),
    Rule(
        id="copy-data",
        name="Rows stand in the file after COPY FROM stdin",
        severity=Severity.WARNING,
        kinds=on(),
        condition=never,
        effect="ROW EXCLUSIVE while the rows come in.",
        why="Only psql feeds such rows; migration tools take them for SQL and stop.",
        workaround="Write INSERT … VALUES, or load the rows outside of migrations.",
        bad="CREATE TABLE kind (id bigint);\nCOPY kind FROM stdin;\n1\n2\n\\.\n",
        good="CREATE TABLE kind (id bigint);\n-- file: 2.sql\n"
        "INSERT INTO kind VALUES (1), (2);",
    ),
    Rule(
        id="not-utf8",
        name="The file is not UTF-8",
        severity=Severity.CRITICAL,
        kinds=on(),
        condition=never,
        effect=_NO_EFFECT,
        why="The server refuses the bytes, or stores other characters than meant.",
        workaround="Save the file as UTF-8.",
        bad="SELECT '\udcff';",
        good="SELECT 'ÿ';",
    ),
    Rule(
        id="syntax-too-new",
        name="The target version does not have the syntax",
        severity=Severity.CRITICAL,
        kinds=on(
            *(Kind.ADD_COLUMN, Kind.ADD_CONSTRAINT, Kind.SET_EXPRESSION, Kind.MERGE),
            *(Kind.SET_ACCESS_METHOD, Kind.CREATE_INDEX, Kind.DETACH_PARTITION),
        ),
        condition=_too_new,
        effect=_NO_EFFECT,
        why="The statement fails on the server that it is meant for.",
        workaround="Use the older form, or raise the target version.",
        bad="ALTER TABLE sale DETACH PARTITION sale_2020 CONCURRENTLY;",
        good="ALTER TABLE note ADD COLUMN body text;",
        target=13,
    ),
    Rule(
        id="unknown-ignore",
        name="An ignore names a rule that does not exist",
        severity=Severity.CRITICAL,
        kinds=on(),
        condition=never,
        effect="None.",
        why="A misspelt ignore hides nothing, or will hide another rule one day.",
        workaround="Name a rule of `bluegreen lint --rules`.",
        bad="-- bluegreen: ignore drop-colunm not read since March\nSELECT 1;",
        good="-- bluegreen: ignore drop-column we stopped reading it in March\n"
        "ALTER TABLE note DROP COLUMN body;",
    ),
    Rule(
        id="ignore-without-reason",
        name="An ignore gives no reason",
        severity=Severity.CRITICAL,
        kinds=on(),
        condition=never,
        effect="None.",
        why="The next reader cannot tell whether the danger was weighed.",
        workaround="Write why it is safe here: `-- bluegreen: ignore RULE reason`.",
        bad="-- bluegreen: ignore drop-column\nALTER TABLE note DROP COLUMN body;",
        good="-- bluegreen: ignore drop-column we stopped reading it in March\n"
        "ALTER TABLE note DROP COLUMN body;",
        also=frozenset({"drop-column"}),
    ),
    Rule(
        id="unused-ignore",
        name="An ignore hides nothing",
        severity=Severity.WARNING,
        kinds=on(),
        condition=never,
        effect="None.",
        why="It would hide the next finding there, which has not been weighed.",
        workaround="Take it out.",
        bad="-- bluegreen: ignore drop-column we stopped reading it\nSELECT 1;",
        good="-- bluegreen: ignore drop-column we stopped reading it in March\n"
        "ALTER TABLE note DROP COLUMN body;",
    ),
)

"""A measured case as data, and the scratch databases that the judge looks at.

Owns reading `tests/cases/*.json` and loading one case into a server. Judging is for
`tests/judge_cases.py`; running the real thing is for `tests/kit/judge_world.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql

from bluegreen.lint.compat.verdict import Direction

BASE_SCHEMA = (
    "create table t(id int primary key, a text, b int, status varchar(20), "
    "amt numeric(10,2), ts timestamp); create table _m(k int primary key);"
)
BASE_ROWS = (
    "insert into t values (1,'one',1,'new',1.50,'2024-01-01 00:00'),"
    "(2,'two',2,'new',2.50,'2024-01-02 00:00'),"
    "(3,'three',3,'done',3.50,'2024-01-03 00:00')"
)
ON_BLUE = (
    (
        "insert into t(id,a,b,status,amt,ts) "
        "values (10,'ten',10,'new',10.50,'2024-02-01 00:00')"
    ),
    "update t set a='one!' where id=1",
    "delete from t where id=3",
)
ON_GREEN = (
    (
        "insert into t(id,a,b,status,amt,ts) "
        "values (20,'twenty',20,'new',20.50,'2024-03-01 00:00')"
    ),
    "update t set a='two!' where id=2",
    "delete from t where id=1",
)
PUBLICATION = "create publication p for all tables"


@dataclass(frozen=True)
class Case:
    """One case, what is absent filled in."""

    id: str
    migration: tuple[str, ...]
    outcome: Mapping[str, Mapping[int, str]]
    schema: str = BASE_SCHEMA
    rows: str = BASE_ROWS
    blue_before: str = ""
    blue_setup: str = ""
    green_setup: str = ""
    blue_streaming: str = ""
    forward_publication: str = PUBLICATION
    reverse_publication: str = PUBLICATION
    options: str = ""
    on_blue: tuple[str, ...] = ON_BLUE
    on_green: tuple[str, ...] = ON_GREEN
    min_version: int = 13

    def writes(self, direction: Direction) -> tuple[str, ...]:
        return self.on_green if direction is Direction.REVERSE else self.on_blue


def read_cases(path: Path) -> list[Case]:
    return [_case(raw) for raw in json.loads(path.read_text())]


def _case(raw: Mapping[str, Any]) -> Case:
    outcome = {way: _by_version(seen) for way, seen in raw["outcome"].items()}
    return Case(
        id=raw["id"],
        migration=_several(raw.get("green_migration", ())),
        outcome=outcome,
        schema=raw.get("base_schema", BASE_SCHEMA),
        rows=raw.get("base_rows", BASE_ROWS),
        blue_before=_one(raw.get("blue_change_before", "")),
        blue_setup=_one(raw.get("blue_setup", "")),
        green_setup=_one(raw.get("green_setup", "")),
        blue_streaming=_one(raw.get("blue_change_while_streaming", "")),
        forward_publication=raw.get("forward_publication", PUBLICATION),
        reverse_publication=raw.get("reverse_publication", PUBLICATION),
        options=raw.get("subscription_options", ""),
        on_blue=_several(raw.get("writes_on_blue", ON_BLUE)),
        on_green=_several(raw.get("writes_on_green", ON_GREEN)),
        min_version=raw.get("min_version", 13),
    )


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _one(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ";\n".join(value)


def _by_version(seen: Mapping[str, Any]) -> dict[int, str]:
    if "by_version" in seen:
        return {int(v): status for v, status in seen["by_version"].items()}
    return {int(v): seen["status"] for v in seen.get("versions", range(13, 19))}


_SWEEP = """
DO $$ DECLARE word text; BEGIN
  FOR word IN
    SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
    UNION ALL SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
    UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT format('ALTER DATABASE %I RESET ALL', current_database())
    UNION ALL SELECT 'CREATE SCHEMA public'
    UNION ALL SELECT 'GRANT ALL ON SCHEMA public TO PUBLIC'
  LOOP EXECUTE word; END LOOP;
END $$"""


@dataclass
class Scratch:
    """Two databases of one server, swept empty for each use.

    Sweeping takes milliseconds where making a database anew takes a checkpoint.
    """

    conninfo: str
    probes: bool = True
    made: set[str] = field(default_factory=set)

    def database(self, name: str) -> str:
        if name not in self.made:
            with psycopg.connect(self.conninfo, autocommit=True) as session:
                session.execute(
                    sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                )
            self.made.add(name)
        with self.connect(name) as session:
            session.execute("SET client_min_messages = error")
            session.execute(_SWEEP)
        return name

    def connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(self.conninfo, dbname=name, autocommit=True)

    def run(self, name: str, *texts: str) -> None:
        with self.connect(name) as session:
            for text in texts:
                if text.strip():
                    ready = text.replace("{db}", name)
                    session.execute(sql.SQL(cast(LiteralString, ready)))

    def execute(self, name: str, query: sql.Composed) -> None:
        with self.connect(name) as session:
            session.execute(query)

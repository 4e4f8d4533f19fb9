"""Columns that get or lose their time zone where the databases live in another one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.wait import wait_until

MIGRATION = """\
ALTER TABLE public.t ALTER COLUMN gets TYPE timestamptz USING gets AT TIME ZONE 'UTC';
ALTER TABLE t ALTER COLUMN loses TYPE timestamp USING loses AT TIME ZONE 'UTC';
"""
NOON = "2024-07-01 12:00:00"
UTC = "SELECT id, gets AT TIME ZONE 'UTC', loses FROM t ORDER BY id"


def set_zone(here: Arena, side: Side, *, whole: bool, zone: str) -> None:
    """Of the whole database, or of our role in it."""
    name = sql.Identifier(getattr(here.pair, str(side)).name)
    role = sql.SQL("") if whole else sql.SQL("ROLE CURRENT_USER IN ")
    text = sql.SQL("ALTER {}DATABASE {} SET TimeZone = {}")
    with getattr(here.pair, str(side)).connect() as session:
        session.execute(text.format(role, name, sql.Literal(zone)))


def stops(ended: Ended) -> list[str]:
    """The verdicts that a run stopped at."""
    ended.require(3)
    assert "BG-3009" in ended.err
    return sorted(set(re.findall(r"\w+/SILENT/time-zone/[\w.]+", ended.err)))


@pytest.mark.timeout(600)
def test_they_stop_until_our_role_is_in_the_zone_that_the_migration_means(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    for side in Side:
        set_zone(here, side, whole=True, zone="America/New_York")
    here.pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY, gets timestamp, loses timestamptz)",
        f"INSERT INTO t VALUES (1, '{NOON}', '{NOON}+00')",
    )
    (tmp_path / "1.sql").write_text(MIGRATION)
    steps = [{"step": "replicate"}, {"step": "migrate", "files": ["1.sql"]}]
    moving = [{"step": "cutover", "probe": False}]
    before = write_playbook(here, tmp_path, steps)
    names = [f"{way}/SILENT/time-zone/public.t" for way in ("forward", "reverse")]
    assert stops(call("run", before)) == names
    green = here.pair.green
    assert green.value("SELECT pg_typeof(gets)::text FROM t").endswith(
        "without time zone"
    )
    set_zone(here, Side.GREEN, whole=False, zone="UTC")
    assert stops(call("run", before)) == names
    set_zone(here, Side.BLUE, whole=False, zone="Etc/UTC")
    call("run", before).require()
    here.pair.blue.run(f"INSERT INTO t VALUES (2, '{NOON}', '{NOON}+00')")
    wait_until(lambda: len(green.rows("TABLE t")) == 2, "the row on green")
    playbook = write_playbook(here, tmp_path, [*steps, *moving])
    call("run", playbook).require()
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute(f"INSERT INTO t VALUES (3, '{NOON}+00', '{NOON}')".encode())
    three = [(n, NOON, NOON) for n in (1, 2, 3)]
    assert [(n, str(a), str(b)) for n, a, b in green.rows(UTC)] == three
    call("rollback", playbook).require()
    back = "SELECT id, gets, loses AT TIME ZONE 'UTC' FROM t ORDER BY id"
    assert [(n, str(a), str(b)) for n, a, b in here.pair.blue.rows(back)] == three

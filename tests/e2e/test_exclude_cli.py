"""What green refuses is left out by name, as `check` prints it, and all else moves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook

REFUSED_BY_17 = """
    CREATE SCHEMA mon;
    CREATE SCHEMA "My mon";
    CREATE TABLE mon.t (id int PRIMARY KEY, a int CHECK (a > 0));
    INSERT INTO mon.t VALUES (1, 1);
    CREATE TABLE mon.kept (id int PRIMARY KEY);
    INSERT INTO mon.kept VALUES (7);
    CREATE VIEW mon.bg AS SELECT buffers_checkpoint FROM pg_stat_bgwriter;
    CREATE VIEW "My mon"."over ""it"" now" AS SELECT * FROM mon.bg;
    COMMENT ON VIEW mon.bg IS 'gone';
    GRANT SELECT ON mon.bg TO pg_monitor;
    CREATE AGGREGATE mon.every (anyelement)
        (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}');
    CREATE AGGREGATE mon.every (int) (SFUNC = int4pl, STYPE = int);
    CREATE VIEW mon.factorial AS SELECT id ! AS f FROM mon.t;
    CREATE FUNCTION mon.noted() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g BEFORE UPDATE ON mon.t FOR EACH ROW
        WHEN ((OLD.id !) > 1) EXECUTE FUNCTION mon.noted();
    CREATE INDEX i ON mon.t ((id !));
    CREATE POLICY p ON mon.t USING ((id !) > 0);
    CREATE RULE r AS ON DELETE TO mon.t WHERE (OLD.id !) > 9 DO INSTEAD NOTHING
"""
STEPS: list[dict[str, Any]] = [
    {"step": "check"},
    {"step": "replicate"},
    {"step": "validate"},
    {"step": "cutover", "probe": False, "max_pause": "20s"},
    {"step": "hold", "window": "1h"},
]


def excluding(names: list[str]) -> list[dict[str, Any]]:
    return [
        {**one, "exclude": names} if one["step"] == "replicate" else one
        for one in STEPS
    ]


@pytest.mark.timeout(600)
def test_what_green_refuses_is_left_out_as_check_says(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(13, 17)
    here.pair.blue.run(REFUSED_BY_17)
    playbook = write_playbook(here, tmp_path, STEPS)
    ended = call("check", playbook, "--json").require(3)
    found = [
        f for f in json.loads(ended.out)["findings"] if f["id"] == "schema-refused"
    ]
    lines = [f["fix"].splitlines()[-1] for f in found]
    names = [re.fullmatch(r"exclude: \[(.*)\]", line)[1] for line in lines]  # type: ignore[index]
    assert sorted(names) == sorted(
        [
            "view mon.bg",
            '"aggregate mon.every(anyelement)"',
            "view mon.factorial",
            "trigger mon.t.g",
            "index mon.i",
            "policy mon.t.p",
            "rule mon.t.r",
        ]
    )
    names = [name.strip('"') for name in names]

    wrong = write_playbook(here, tmp_path, excluding([*names, "view mon.bh", "mon.no"]))
    ended = call("check", wrong).require(3)
    assert re.search(r"line \d+: view mon\.bh", ended.out)
    assert "is view mon.bg meant?" in ended.out
    assert re.search(r"line \d+: mon\.no", ended.out)

    playbook = write_playbook(here, tmp_path, excluding(names))
    ended = call("check", playbook).require()
    needing = 'view "My mon"."over ""it"" now" (needs view mon.bg)'
    assert needing in ended.out
    planned = call("plan", playbook).require().out
    assert "without aggregate mon.every(anyelement), index mon.i" in planned
    call("run", playbook).require()
    left = sorted([*names, 'view "My mon"."over ""it"" now"'])
    [written] = (tmp_path / "certificates").glob("*.json")
    assert json.loads(written.read_text())["left_out"] == left
    green = here.pair.green
    assert green.value("SELECT to_regclass('mon.bg')") is None
    assert green.value("SELECT count(*) FROM mon.t") == 1
    assert green.value("SELECT mon.every(id) FROM mon.kept") == 7
    assert green.value(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'mon.t_pkey'::regclass"
    )
    call("verify", written, playbook).require()
    call("run", playbook).require()
    call("rollback", playbook).require()
    assert here.pair.blue.value("SELECT count(*) FROM pg_class WHERE relname = 'bg'")


@pytest.mark.timeout(600)
def test_a_table_goes_with_what_it_needs_only_where_it_is_named(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(15, 17)
    here.pair.blue.run(
        "CREATE TYPE odd AS (a int)",
        "CREATE TABLE t (id serial PRIMARY KEY, o odd)",
        "INSERT INTO t (o) VALUES (ROW(1)::odd)",
        "CREATE TABLE kept (id int PRIMARY KEY, t int)",
        "INSERT INTO kept VALUES (1, 1)",
        "ALTER TABLE kept ADD FOREIGN KEY (t) REFERENCES t",
    )
    playbook = write_playbook(here, tmp_path, excluding(["type public.odd"]))
    ended = call("check", playbook).require(3)
    assert "exclude-takes-table" in ended.out
    assert "exclude: [table public.t]" in ended.out
    stopped = call(
        "run", write_playbook(here, tmp_path, excluding(["type public.odd"])[1:])
    )
    assert stopped.status == 3, stopped.err
    assert here.pair.green.value("SELECT to_regclass('kept')") is None

    names = ["type public.odd", "table public.t"]
    playbook = write_playbook(here, tmp_path, excluding(names))
    # Blue's key would find no parents for green's rows.
    assert "reverse/OK_IF/foreign-key" in call("run", playbook).require(3).err
    accept = [
        {
            "id": "reverse/OK_IF/foreign-key",
            "object": "public.kept.kept_t_fkey",
            "reason": "nobody writes t",
        }
    ]
    playbook = write_playbook(here, tmp_path, excluding(names), accept=accept)
    call("run", playbook).require()
    assert here.pair.green.value("SELECT to_regclass('t')") is None
    assert here.pair.green.value("SELECT count(*) FROM kept") == 1
    call("rollback", playbook).require()

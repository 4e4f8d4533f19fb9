"""Whether green's rows still fit blue: yes, or no with the rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest

from bluegreen.compat.probe.rollback_fit import check_fit, read_stream
from bluegreen.compat.rollback_fit import Fits
from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.cli import accepting, call, write_playbook
from tests.kit.wait import wait_until

SCHEMA = """
CREATE TYPE mood AS ENUM ('fine', 'sad');
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE "Big Order" (id int PRIMARY KEY, qty int, note varchar(5), mood mood,
  parent int REFERENCES parent, price int CHECK (price > 0), code text UNIQUE);
INSERT INTO parent VALUES (1), (2);
INSERT INTO "Big Order" VALUES (1, 1, 'one', 'fine', 1, 1, 'a');
"""
CHANGE = """
ALTER TABLE "Big Order" ALTER qty TYPE bigint;
ALTER TABLE "Big Order" ALTER note TYPE text;
ALTER TYPE mood ADD VALUE 'odd';
ALTER TABLE "Big Order" DROP CONSTRAINT "Big Order_parent_fkey";
ALTER TABLE "Big Order" DROP CONSTRAINT "Big Order_price_check";
ALTER TABLE "Big Order" DROP CONSTRAINT "Big Order_code_key";
ALTER TABLE "Big Order" ADD colour text;
CREATE TABLE extra (id int PRIMARY KEY);
"""


@pytest.fixture
def moved(arena: Callable[..., Arena], tmp_path: Path) -> tuple[Arena, Path]:
    """A pair whose green serves with a wider schema than blue's."""
    here = arena(16, 18)
    here.pair.blue.run(SCHEMA)
    (tmp_path / "1.sql").write_text(CHANGE)
    steps = [
        {"step": "replicate"},
        {"step": "migrate", "files": ["1.sql"]},
        {"step": "compat"},
        {"step": "cutover", "probe": False},
    ]
    accept = accepting({"reverse/LOSSY/*/*": "may be lost"})
    playbook = write_playbook(here, tmp_path, steps, accept=accept)
    call("run", playbook).require()
    return here, playbook


def look(here: Arena) -> tuple[Fits, set[tuple[str, str, int]]]:
    found = check_fit(here.database(Side.BLUE), here.database(Side.GREEN), here.name)
    return found.answer, {(m.rule, m.where, m.count) for m in found.misfits}


def test_what_fits_is_a_yes_with_the_declared_losses(
    moved: tuple[Arena, Path],
) -> None:
    here, playbook = moved
    here.pair.green.run(
        "INSERT INTO \"Big Order\" VALUES (2, 2, 'two', 'sad', 2, 2, 'b', 'red')",
        "INSERT INTO extra VALUES (1), (2)",
    )
    said = call("rollback", playbook, "--check").require().out
    assert said.startswith("yes")
    assert "colour of public.Big Order (1 row)" in said
    assert "table public.extra (2 rows)" in said


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("write", "rule", "where"),
    [
        ("(7, 3000000000, 'x', 'fine', 1, 1, 'z')", "type-may-not-fit", ".qty"),
        ("(7, 3, 'too long', 'fine', 1, 1, 'z')", "type-may-not-fit", ".note"),
        ("(7, 3, 'x', 'odd', 1, 1, 'z')", "type-may-not-fit", ".mood"),
        ("(7, 3, 'x', 'fine', 1, -1, 'z')", "constraint", ".Big Order_price_check"),
        ("(7, 3, 'x', 'fine', 1, 1, 'a')", "constraint", ".Big Order_code_key"),
    ],
)
def test_a_row_that_stops_blue_is_named(
    moved: tuple[Arena, Path], write: str, rule: str, where: str
) -> None:
    here, playbook = moved
    blue, green = here.database(Side.BLUE), here.database(Side.GREEN)
    assert look(here) == (Fits.YES, set())
    here.pair.green.run(f'INSERT INTO "Big Order" VALUES {write}')
    wait_until(
        lambda: read_stream(blue, green, here.name).stuck, "blue to refuse the row"
    )
    assert look(here) == (Fits.NO, {(rule, f"public.Big Order{where}", 1)})
    refused = call("rollback", playbook, "--check", "--json").require(6).json
    assert refused["fit"]["answer"] == "no"
    assert "Big Order" in refused["fit"]["reasons"][0]
    key = "code=a" if where.endswith("_code_key") else "id=7"
    assert refused["fit"]["misfits"][0]["rows"] == [key]


def test_a_parent_that_blue_misses_is_seen_though_the_stream_is_in_step(
    moved: tuple[Arena, Path],
) -> None:
    here, playbook = moved
    here.pair.green.run('UPDATE "Big Order" SET parent = 99 WHERE id = 1')
    wait_until(
        lambda: here.pair.blue.value('SELECT max(parent) FROM "Big Order"') == 99,
        "blue to follow",
    )
    where = "public.Big Order.Big Order_parent_fkey"
    assert look(here) == (Fits.NO, {("foreign-key", where, 1)})
    call("rollback", playbook, "--check").require(6)
    status = call("status", playbook, "--json").json
    (monitor,) = [one for one in status["monitors"] if one["id"] == "way-back-fits"]
    assert (monitor["severity"], monitor["where"]) == ("critical", "green → blue")
    assert where in monitor["seen"]


ALONE = {
    "a table that came later": (
        "CREATE TABLE {t} (id int); INSERT INTO {t} VALUES (1)",
        True,
    ),
    "a partition of one": (
        """CREATE TABLE p (id int) PARTITION BY LIST (id);
        CREATE TABLE {t} PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1)""",
        True,
    ),
    "one of a new schema": (
        'CREATE SCHEMA "N s"; CREATE TABLE "N s".q AS SELECT 1 AS a',
        True,
    ),
    "an empty one": ("CREATE TABLE {t} (id int)", False),
    "an unlogged one": ("CREATE UNLOGGED TABLE {t} AS SELECT 1 AS a", False),
    "a declared one": ("INSERT INTO extra VALUES (1)", False),
    "a materialized view": ("CREATE MATERIALIZED VIEW {t} AS SELECT 1 AS a", False),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ALONE)
def test_what_the_application_made_on_green_alone_stops_a_rollback(
    moved: tuple[Arena, Path], name: str
) -> None:
    here, playbook = moved
    text, stops = ALONE[name]
    here.pair.green.run(text.format(t="later"))
    table = "N s.q" if "N s" in text else "public.later"
    checked = call("rollback", playbook, "--check").require(6 if stops else 0)
    (monitor,) = [
        one
        for one in call("status", playbook, "--json").json["monitors"]
        if one["id"] == "way-back-fits"
    ]
    assert (monitor["severity"] == "critical") is stops
    if not stops:
        return
    assert f"1 row of table {table} would stay behind" in checked.out
    assert f"rollback --leave-rows {quote(table)}" in checked.out
    assert f"table {table}" in monitor["seen"]
    call("rollback", playbook).require(6)
    left = ("--leave-rows", table)
    told = call("rollback", playbook, "--check", *left).require(0).out
    assert f"left on green: 1 row of table {table} (accepted)" in told
    call("rollback", playbook, "--leave-rows", "public.other").require(6)
    call("rollback", playbook, *left).require(0)

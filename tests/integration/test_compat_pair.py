"""`compat` between two real sides: what a run stops at, and what it lets pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.cli import Ended, accepting, call, write_playbook

SHOP = """
CREATE SCHEMA "Shop";
CREATE TYPE "Shop".state AS ENUM ('new', 'paid');
CREATE TABLE "Shop".customer (id int PRIMARY KEY, name text, zip varchar(12));
CREATE TABLE "Shop"."Order" ("Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer int NOT NULL, qty int, state "Shop".state,
  price numeric(10,2));
INSERT INTO "Shop".customer SELECT i, 'c' || i, 1000 + i FROM generate_series(1, 40) i;
INSERT INTO "Shop"."Order" (customer, qty, price)
  SELECT 1 + i % 40, i, i * 1.25 FROM generate_series(1, 300) i;
"""
ORDER = '"Shop"."Order"'


def prepare(
    here: Arena,
    folder: Path,
    sql: str,
    accept: Mapping[str, str] | None = None,
    **judge: Any,
) -> Path:
    """A playbook over a small shop whose migration is this SQL."""
    if not here.pair.blue.value("SELECT to_regnamespace('\"Shop\"') IS NOT NULL"):
        here.pair.blue.run(SHOP)
    (folder / "1.sql").write_text(sql)
    steps: list[dict[str, Any]] = [
        {"step": "replicate"},
        {"step": "migrate", "files": ["1.sql"]},
        {"step": "compat", **judge},
        {"step": "cutover"},
    ]
    return write_playbook(here, folder, steps, accept=accepting(accept or {}))


def names(ended: Ended, weight: str) -> set[str]:
    return {row["name"] for row in ended.json["rows"] if row["weight"] == weight}


@pytest.fixture
def here(arena: Callable[..., Arena]) -> Arena:
    return arena(16, 18)


def test_a_change_that_flows_both_ways_passes(here: Arena, tmp_path: Path) -> None:
    playbook = prepare(
        here,
        tmp_path,
        f"ALTER TABLE {ORDER} ALTER qty TYPE bigint;\n"
        'ALTER TABLE "Shop".customer ALTER zip TYPE varchar(20);\n'
        f"CREATE INDEX ON {ORDER} (customer);\n",
    )
    call("run", playbook).require()
    assert here.pair.green.value(f"SELECT count(*) FROM {ORDER}") == 300


def test_what_only_green_has_must_be_declared(here: Arena, tmp_path: Path) -> None:
    change = f'ALTER TABLE {ORDER} ADD note text;\nCREATE TABLE "Shop".tag (id int);\n'
    playbook = prepare(here, tmp_path, change)
    refused = call("run", playbook).require(3)
    assert "BG-3003" in refused.err
    for name in ("column-left-out, object: Shop.Order", "table-left-out, object:"):
        assert f"{{id: reverse/LOSSY/{name}" in refused.err
    judged = call("compat", playbook, "--json").require()
    lost = names(judged, "waits")
    assert lost == {
        "reverse/LOSSY/column-left-out/Shop.Order",
        "reverse/LOSSY/table-left-out/Shop.tag",
    }
    prepare(here, tmp_path, change, dict.fromkeys(lost, "may be lost at a rollback"))
    call("compat", playbook).require()
    call("run", playbook).require()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (
            f"UPDATE {ORDER} SET qty = 0",
            "forward/SILENT/rows-differ/Shop.Order",
        ),
        (
            'ALTER TABLE "Shop".customer DROP name, ADD name text',
            "forward/SILENT/name-reused/Shop.customer",
        ),
    ],
)
def test_a_silent_loss_stops_before_anything_is_applied(
    here: Arena, tmp_path: Path, change: str, name: str
) -> None:
    playbook = prepare(here, tmp_path, change)
    refused = call("run", playbook).require(3)
    assert name in refused.err
    assert here.pair.green.value(f"SELECT sum(qty) FROM {ORDER}") > 0


def test_rows_that_a_block_changed_are_seen_in_the_rows(
    here: Arena, tmp_path: Path
) -> None:
    """Dynamic SQL hides from the text; a few rows of each table do not."""
    change = f"""
        DO $$ BEGIN EXECUTE 'UPDATE ' || '{ORDER} SET qty = qty + 1'; END $$;
    """
    playbook = prepare(here, tmp_path, change)
    refused = call("run", playbook).require(3)
    assert "forward/SILENT/rows-differ/Shop.Order" in refused.err
    assert here.pair.blue.value(f"SELECT sum(qty) FROM {ORDER}") == 45150


SLUGS = """
ALTER TABLE "Shop".customer ADD slug text, ADD plan text, ADD code text;
CREATE PROCEDURE "Shop".fill() LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'UPDATE "Shop".customer SET plan = ''free'', slug = lower(name)';
END $$;
CALL "Shop".fill();
"""
KEPT = """
CREATE FUNCTION "Shop".slug() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog AS
  $$ BEGIN NEW.slug := lower(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER slug BEFORE INSERT OR UPDATE ON "Shop".customer
  FOR EACH ROW EXECUTE FUNCTION "Shop".slug();
ALTER TABLE "Shop".customer ENABLE ALWAYS TRIGGER slug;
"""
LOST = {"reverse/LOSSY/*/*": "green's own may be lost"}


def test_a_column_that_code_filled_and_nothing_keeps_up_stops(
    here: Arena, tmp_path: Path
) -> None:
    """A constant is what every row may have; values that differ came from the rows."""
    playbook = prepare(here, tmp_path, SLUGS, LOST)
    refused = call("run", playbook).require(3)
    assert "forward/SILENT/derived-stale/Shop.customer" in refused.err
    assert "slug holds values that the migration made" in refused.err
    assert "plan holds" not in refused.err
    assert "code holds" not in refused.err


def test_a_column_that_code_filled_and_a_trigger_keeps_up_passes(
    here: Arena, tmp_path: Path
) -> None:
    change = SLUGS.replace("CREATE PROCEDURE", KEPT + "CREATE PROCEDURE")
    call("run", prepare(here, tmp_path, change, LOST)).require()


def test_what_clients_wrote_on_green_is_no_fill_of_a_migration(
    here: Arena, tmp_path: Path
) -> None:
    """After a rollback the rows hold it, and the next cutover goes on."""
    change = 'ALTER TABLE "Shop".customer ADD slug text'
    playbook = prepare(here, tmp_path, change, LOST)
    call("run", playbook).require()
    here.pair.green.run('UPDATE "Shop".customer SET slug = name')
    call("rollback", playbook).require()
    call("run", playbook).require()


def test_a_constraint_that_rows_break_stops_and_one_that_they_keep_does_not(
    here: Arena, tmp_path: Path
) -> None:
    change = (
        f"ALTER TABLE {ORDER} ADD CONSTRAINT few CHECK (qty < 100) NOT VALID;\n"
        f"ALTER TABLE {ORDER} ADD CONSTRAINT lots CHECK (qty < 1000);\n"
    )
    playbook = prepare(here, tmp_path, change)
    refused = call("run", playbook).require(3)
    assert "forward/BREAK/constraint/Shop.Order.few" in refused.err
    assert "201 rows break it" in refused.err
    assert "Order.lots" not in refused.err.splitlines()[-1]


def test_a_trigger_that_fires_on_apply_is_tried_and_rolled_back(
    here: Arena, tmp_path: Path
) -> None:
    change = """
        CREATE FUNCTION "Shop".shout() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;
        CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON "Shop".customer FOR EACH ROW
          EXECUTE FUNCTION "Shop".shout();
        ALTER TABLE "Shop".customer ENABLE ALWAYS TRIGGER shout;
    """
    playbook = prepare(here, tmp_path, change)
    refused = call("run", playbook).require(3)
    assert "forward/SILENT/trigger/Shop.customer" in refused.err
    assert here.pair.green.value('SELECT min(name) FROM "Shop".customer') == "c1"


def test_a_name_that_fits_nothing_is_refused(here: Arena, tmp_path: Path) -> None:
    change = f"CREATE INDEX ON {ORDER} (customer)"
    stale = {"reverse/LOSSY/column-left-out/Shop.gone": "was dropped since"}
    playbook = prepare(here, tmp_path, change, stale)
    refused = call("run", playbook).require(3)
    assert "accepts what `compat` does not find" in refused.err


def test_a_row_of_each_table_makes_the_way(here: Arena, tmp_path: Path) -> None:
    change = f"CREATE INDEX ON {ORDER} (customer)"
    playbook = prepare(here, tmp_path, change, travel=["*"])
    before = here.pair.blue.rows('SELECT * FROM "Shop".customer ORDER BY id')
    call("run", playbook).require()
    assert here.pair.blue.rows('SELECT * FROM "Shop".customer ORDER BY id') == before
    said = call("journal", playbook).require().out
    assert "Shop.customer" in said
    assert here.database(Side.GREEN) is not None

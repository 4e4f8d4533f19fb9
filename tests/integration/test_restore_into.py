"""`bluegreen restore`: every form of a backup comes back, and only where it may."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage
import pytest

from bluegreen.steps.backup import Backup
from bluegreen.steps.world import World
from tests.kit.bucket import Service
from tests.kit.cli import Ended, call
from tests.kit.databases import (
    Database,
    DatabasePair,
    create_database,
    drop_databases,
)
from tests.kit.steps import carry_out, open_world

SCHEMA = """
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO orders SELECT g, md5(g::text) FROM generate_series(1, 2000) g;
    CREATE TABLE lines (order_id int REFERENCES orders, price numeric(9, 2));
    INSERT INTO lines SELECT g, g / 7.0 FROM generate_series(1, 500) g;
    CREATE TABLE "Odd ""name"" x." (a int);
    CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted
        FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    INSERT INTO parted VALUES (1, '2024-05-05');
"""
EVERY_ROW = """
    SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM (
        SELECT o::text FROM orders o UNION ALL SELECT l::text FROM lines l
        UNION ALL SELECT p::text FROM parted p
    ) AS every (row)
"""


@dataclass
class Desk:
    """A pair whose blue has tables, a playbook of it, and a new, empty database."""

    pair: DatabasePair
    target: Database
    playbook: Path
    key: Path
    recipient: str
    s3: Service

    @contextmanager
    def world(self) -> Iterator[World]:
        with open_world(self.pair, self.playbook.parent) as world:
            yield world

    def back_up(self, form: str, proof: str = "restore", **more: Any) -> Backup:
        """Take a backup of that form; returns the step that took it."""
        given: dict[str, Any] = {"to": "kept", "proof": proof, "workers": 1, **more}
        if "bucket" in form:
            bucket = self.s3.bucket()
            given["to"] = f"s3://{bucket.name}/shop"
            given["s3"] = {"endpoint_url": self.s3.endpoint}
        if "age" in form:
            given["encrypt"] = [self.recipient]
        step = Backup(**given)
        with self.world() as world:
            for action in step.actions():
                carry_out(action, world)
        return step

    def restore(self, *words: str | Path, into: Database | None = None) -> Ended:
        dsn = (into or self.target).conninfo()
        return call("restore", self.playbook, "--into", dsn, *words)

    @property
    def is_untouched(self) -> bool:
        return not self.target.value(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )


@pytest.fixture
def desk(
    database_pair: Callable[[int, int], DatabasePair], s3: Service, tmp_path: Path
) -> Iterator[Desk]:
    pair = database_pair(16, 18)
    pair.blue.run(SCHEMA)
    target = create_database(pair.green.server, "again")
    made = pyrage.x25519.Identity.generate()
    key, playbook = tmp_path / "key.txt", tmp_path / "shop.yml"
    key.write_text(f"# a comment\n{made}\n")
    told = {
        "version": 1,
        "name": "shop",
        "blue": {"dsn": pair.blue.conninfo()},
        "green": {"dsn": pair.green.conninfo()},
        "steps": [{"step": "backup"}],
        "allow": ["LOADS_BLUE"],
    }
    playbook.write_text(json.dumps(told))
    yield Desk(pair, target, playbook, key, str(made.to_public()), s3)
    drop_databases(target)


FORMS = ("folder", "folder with age", "bucket", "bucket with age")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_back_row_by_row(desk: Desk, form: str) -> None:
    desk.back_up(form)
    words = ("--identity", desk.key) if "age" in form else ()
    done = desk.restore("--yes", "--json", *words).require().json
    assert (done["tables"], done["rows"], done["compared"]) == (4, 2501, "sums")
    assert desk.target.value(EVERY_ROW) == desk.pair.blue.value(EVERY_ROW)
    # Nothing that was fetched or decrypted is left.
    left = [p.name for p in desk.playbook.parent.rglob(".restore-*")]
    assert left == []


def test_one_that_was_only_read_is_held_against_its_tables(desk: Desk) -> None:
    desk.back_up("folder", proof="read", workers=2)
    done = desk.restore("--yes", "--json").require().json
    assert (done["tables"], done["rows"], done["compared"]) == (4, 2501, "tables")
    again = desk.restore("--yes").require(3)
    assert again.error.startswith("error BG-3010: ")
    assert "it holds public." in again.error


def test_without_yes_it_shows_the_way_and_does_nothing(desk: Desk) -> None:
    desk.back_up("folder", proof="read")
    # Two archives of one second and the same rows are one.
    desk.pair.blue.run("CREATE TABLE later (id int PRIMARY KEY)")
    desk.back_up("bucket with age")
    shown = desk.restore().require().out
    assert "read to its end" in shown
    assert "restored and compared" in shown
    assert "age -d -i IDENTITY shop-blue-" in shown
    assert "aws s3api get-object --bucket" in shown
    assert desk.is_untouched
    told = call("restore", desk.playbook, "--json").require().json
    first, second = told["backups"]
    assert told["chosen"] == second["id"]
    assert (first["encrypted"], second["encrypted"]) == (False, True)
    older = desk.restore("--backup", first["id"][:6], "--json").require().json
    assert older["chosen"] == first["id"]


def test_the_commands_that_are_shown_do_it(desk: Desk, tmp_path: Path) -> None:
    """All but the fetching, which needs programs that are not here."""
    import subprocess

    from bluegreen.postgres.tools import find_tool

    desk.back_up("folder", proof="read", workers=2)
    commands = desk.restore("--json").require().json["commands"]
    folder = str(find_tool("pg_restore").path.parent)
    for line in commands:
        subprocess.run(
            line, shell=True, check=True, cwd=tmp_path, env={"PATH": f"{folder}:/bin"}
        )
    assert desk.target.value(EVERY_ROW) == desk.pair.blue.value(EVERY_ROW)


@pytest.mark.parametrize("side", ["blue", "green", "an empty green", "in use"])
def test_no_side_and_nothing_that_holds_something(desk: Desk, side: str) -> None:
    """A side is known by what servers say: here it has another address as well."""
    desk.back_up("folder", proof="read")
    into = {"blue": desk.pair.blue}.get(side, desk.pair.green)
    if side == "an empty green":
        desk.pair.green.run("DROP SCHEMA bluegreen CASCADE")
    if side == "in use":
        into = desk.target
        into.run("CREATE SCHEMA a", "CREATE VIEW a.v AS SELECT 1 AS x")
    dsn = re.sub(r"host=\S+", "host=localhost", into.conninfo())
    ended = call("restore", desk.playbook, "--into", dsn, "--yes").require(3)
    says = {
        "blue": "it was set up as blue by playbook 'shop'",
        "green": "it was set up as green by playbook 'shop'",
        "an empty green": "it is green: system ",
        "in use": "it holds a.v",
    }[side]
    assert ended.error.startswith("error BG-3010: ")
    assert says in ended.error
    assert desk.is_untouched


def test_a_blue_whose_schema_of_ours_was_dropped_is_still_blue(desk: Desk) -> None:
    desk.back_up("folder", proof="read")
    desk.pair.blue.run("DROP SCHEMA bluegreen CASCADE")
    ended = desk.restore("--yes", into=desk.pair.blue).require(3)
    assert "it is the database that the backup was taken of, blue" in ended.error


def test_one_side_is_enough(desk: Desk) -> None:
    desk.back_up("folder", proof="read")
    told = json.loads(desk.playbook.read_text())
    told["blue"]["dsn"] = "host=127.0.0.1 port=9 dbname=gone"
    desk.playbook.write_text(json.dumps(told))
    desk.restore("--yes").require()
    assert desk.target.value(EVERY_ROW) == desk.pair.blue.value(EVERY_ROW)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--yes",), "restore needs a database to restore into"),
        (("--backup", "abc"), "--backup names no backup"),
        (("--into", "host=/tmp password=x"), ""),
    ],
)
def test_what_the_words_of_a_call_lack_is_told(
    desk: Desk, words: tuple[str, ...], says: str
) -> None:
    desk.back_up("folder", proof="read")
    ended = call("restore", desk.playbook, *words).require(2)
    assert says in ended.error


def test_without_a_backup_it_says_so(desk: Desk) -> None:
    shown = call("restore", desk.playbook).require().out
    assert shown == "the journal of shop names no backup\n"
    ended = desk.restore("--yes").require(4)
    assert "the journal names no backup of the whole database" in ended.error


def test_an_encrypted_one_asks_for_its_identity(desk: Desk) -> None:
    desk.back_up("folder with age", proof="read")
    ended = desk.restore("--yes").require(4)
    assert "--identity FILE" in ended.error
    assert desk.is_untouched

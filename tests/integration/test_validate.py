"""Foreign keys, the user's queries and program, against real servers."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.errors import StepError
from bluegreen.model.record import Kind
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied
from bluegreen.postgres.database import Database
from bluegreen.steps.contract import Action
from bluegreen.steps.switchover.table_set import NoteTables
from bluegreen.steps.validate import Validate
from bluegreen.steps.world import World
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, look, open_world

SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE lines (id int PRIMARY KEY, order_id int, other int REFERENCES orders);
INSERT INTO orders VALUES (1);
INSERT INTO lines VALUES (1, 1, 1), (2, NULL, 1), (3, 7, NULL);
"""


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    made = database_pair(16, 18)
    made.blue.run(SCHEMA)
    made.green.run(SCHEMA)
    return made


@pytest.fixture
def world(pair: DatabasePair, tmp_path: Path) -> Iterator[World]:
    with open_world(pair, tmp_path) as made:
        yield made


def action(name: str, **words: Any) -> Action[Any]:
    return next(one for one in Validate(**words).actions() if one.id.endswith(name))


def failure(one: Action[Any], world: World) -> StepError:
    with pytest.raises(StepError) as caught:
        one.act(world, one.observe(world))
    assert isinstance(look(one, world), Needed)
    assert caught.value.code == 4005
    return caught.value


def test_all_proofs_have_ids_of_their_own() -> None:
    ids = [a.id for a in Validate(queries={"a": "b"}, command=("c",)).actions()]
    assert ids == [
        "validate/compare_schema",
        "validate/check_foreign_keys",
        "validate/compare_rows",
        "validate/run_queries",
        "validate/run_command",
    ]
    few = Validate(id="v2", compare_schema=False, compare_rows="none").actions()
    assert [a.id for a in few] == ["v2/check_foreign_keys"]


def test_a_new_foreign_key_is_looked_at(pair: DatabasePair, world: World) -> None:
    keys = action("foreign_keys")
    assert carry_out(keys, world)["foreign_keys"] == []
    pair.green.run(
        "ALTER TABLE lines ADD CONSTRAINT fresh FOREIGN KEY (order_id)"
        " REFERENCES orders NOT VALID"
    )
    error = failure(keys, world)
    assert error.seen == "constraint public.lines.fresh: 1 rows without a parent"
    pair.green.run("UPDATE lines SET order_id = 1 WHERE id = 3")
    assert carry_out(keys, world)["foreign_keys"] == ["constraint public.lines.fresh"]


def test_an_orphan_that_the_stream_left_is_found(
    pair: DatabasePair, world: World
) -> None:
    """Valid on green, as its rows were checked once; applying checks nothing."""
    pair.green.run(
        "UPDATE lines SET order_id = 1 WHERE id = 3",
        "ALTER TABLE lines ADD CONSTRAINT new FOREIGN KEY (order_id) REFERENCES orders",
        "SET session_replication_role = replica;"
        "INSERT INTO lines VALUES (9, 99, NULL), (10, 98, NULL)",
    )
    error = failure(action("foreign_keys"), world)
    assert "2 rows without a parent" in error.seen


def test_queries_must_find_nothing(pair: DatabasePair, world: World) -> None:
    good = {"one": "SELECT 1 WHERE false;", "two": "SELECT * FROM lines WHERE id > 9"}
    result = carry_out(action("queries", queries=good), world)
    assert result["summary"] == "2 queries find nothing on green"
    bad = action("queries", queries={**good, "all": "SELECT id, order_id FROM lines"})
    assert failure(bad, world).seen == "all: (1, 1)\nall: (2, None)\nall: (3, 7)"
    many = action("queries", queries={"x": "SELECT generate_series(1, 10000000)"})
    assert failure(many, world).seen.splitlines()[-1] == "x: and more"


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("DELETE FROM lines", "42601"),
        ("SELECT nextval('s')", "25006"),
        ("SELECT 1; DELETE FROM lines", "42601"),
        ("SELECT * FROM nope", "42P01"),
        ("SELECT 1/0", "22012"),
    ],
)
def test_queries_cannot_write(
    text: str, sqlstate: str, pair: DatabasePair, world: World
) -> None:
    pair.green.run("CREATE SEQUENCE s")
    error = failure(action("queries", queries={"q": text}), world)
    assert f"SQLSTATE {sqlstate}" in error.seen
    assert pair.green.value("SELECT count(*) FROM lines") == 3


CONNECTS = """
import os, psycopg
with psycopg.connect() as session:
    print(session.execute("SELECT current_database()").fetchone()[0])
print("password", os.environ.get("PGPASSWORD"))
"""


def test_the_program_is_led_to_green(pair: DatabasePair, world: World) -> None:
    green = Database(Side.GREEN, pair.green.conninfo(), password=Secret("canary-92fe"))
    program = action("command", command=(sys.executable, "-c", CONNECTS))
    result = program.act(dataclasses.replace(world, green=green), None)
    assert result["output"] == f"{pair.green.name}\npassword ***"
    assert "canary" not in str(result)
    green.close()


def test_a_program_that_fails_is_shown(world: World) -> None:
    fails = "import sys; print('\\n'.join(map(str, range(50)))); sys.exit(3)"
    error = failure(action("command", command=(sys.executable, "-c", fails)), world)
    assert error.seen.splitlines()[0] == "it ended with status 3"
    assert error.seen.splitlines()[1:] == [str(n) for n in range(38, 50)]


def test_a_program_that_is_not_there_is_told(world: World) -> None:
    error = failure(action("command", command=("./no-such-program",)), world)
    assert "it cannot be started: No such file" in error.seen


def test_a_program_without_an_end_is_ended_with_its_children(
    world: World, tmp_path: Path
) -> None:
    words = ("sh", "-c", "sleep 600 & echo $! > child; echo started; wait")
    program = action("command", command=words, deadline="500ms")
    error = failure(program, world)
    assert "none in 0:00:00.5" in error.seen
    assert "started" in error.seen
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "status"
    assert not child.exists() or "zombie" in child.read_text()


def test_a_proof_stands_until_something_changes(
    pair: DatabasePair, world: World
) -> None:
    proofs = Validate().actions()
    for proof in proofs:
        carry_out(proof, world)
    pair.blue.run("INSERT INTO orders VALUES (50)")
    assert all(isinstance(look(proof, world), Satisfied) for proof in proofs)
    pair.blue.run("ALTER TABLE orders ADD a int")
    assert all(isinstance(look(proof, world), Needed) for proof in proofs)
    other = action("compare_rows", compare_rows="count")
    assert isinstance(look(other, world), Needed)


def test_a_proof_of_rows_has_an_age(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows may be left out without a trace; of the schema each look is fresh."""
    proofs = {proof.id: proof for proof in Validate().actions()}
    for proof in proofs.values():
        carry_out(proof, world)
    limited = {name for name, proof in proofs.items() if proof.max_age}
    assert limited == {"validate/compare_rows"}
    rows = proofs["validate/compare_rows"]
    monkeypatch.setattr(type(rows), "max_age", timedelta(microseconds=1))
    verdict = look(rows, world)
    assert isinstance(verdict, Needed)
    assert verdict.why.startswith("the proof is older than ")
    # A person may take days to approve what a run has proved.
    result = rows.act(world, rows.observe(world))
    world.journal.append(Kind.RESULT, action=rows.id, body=result)
    noted = look(NoteTables("cutover", Side.GREEN), world)
    assert isinstance(noted, Refused)
    assert noted.why == "what validate/compare_rows proved no longer holds"

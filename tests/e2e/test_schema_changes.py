"""Every schema change that can be made compatible, there and back without a loss.

All changes share one pair of databases, one cutover, one rollback and one end, as each
has a schema of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.history import fold
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Satisfied
from bluegreen.steps.action import Action
from bluegreen.steps.backup import Backup
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.hold import Hold
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.move.settle import SettleTraffic
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.rollback import actions_of_rollback
from bluegreen.steps.world import World
from tests.e2e.changes import CHANGES
from tests.kit.arena import Arena, bring_about, open_arena
from tests.kit.databases import (
    Database,
    DatabasePair,
    create_database,
    drop_databases,
)
from tests.kit.schema_change import Change, put_together
from tests.kit.steps import look
from tests.kit.wait import wait_until

PAIRS = {16: 18, 14: 16}
Rows = list[tuple[Any, ...]]


@dataclass
class Told:
    """What was read on the way, by row: an error's text stands for what was not."""

    left: dict[str, Rows | str] = field(default_factory=dict)
    arrived: dict[str, Rows | str] = field(default_factory=dict)
    contracted: dict[str, Rows | str] = field(default_factory=dict)
    before_the_end: dict[str, Rows | str] = field(default_factory=dict)
    acted_again: list[str] = field(default_factory=list)


def run_all(database: Database, changes: Sequence[Change], phase: str) -> None:
    with database.connect() as session:
        for change in changes:
            for statement in getattr(change, phase):
                session.execute(change.sql(statement).encode())


def read_all(
    database: Database, changes: Sequence[Change], query: str
) -> dict[str, Rows | str]:
    answers: dict[str, Rows | str] = {}
    with database.connect() as session:
        for change in changes:
            text = change.sql(getattr(change, query))
            try:
                answers[change.row] = session.execute(text.encode()).fetchall()
            except psycopg.Error as error:
                answers[change.row] = str(error)
    return answers


def write_through(here: Arena, changes: Sequence[Change]) -> None:
    """As the application of the new shape writes: through the pooler."""
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        for change in changes:
            for statement in change.after:
                app.execute(change.sql(statement).encode())


def write_files(folder: Path, changes: Sequence[Change]) -> None:
    """One file a change; every other contract stands behind the comment."""
    (folder / "m" / "later").mkdir(parents=True)
    for number, change in enumerate(changes):
        expand, contract = change.sql(change.migration), change.sql(change.contract)
        if contract and number % 2:
            (folder / "m" / "later" / f"{change.schema}.sql").write_text(contract)
        elif contract:
            expand += f";\n-- bluegreen: contract\n{contract}"
        (folder / "m" / f"{change.schema}.sql").write_text(f"{expand};\n")


def there_and_back(here: Arena, folder: Path, changes: Sequence[Change]) -> Told:
    blue, green = here.pair.blue, here.pair.green
    told = Told()
    blue.run(*(f"CREATE SCHEMA {change.schema}" for change in changes))
    run_all(blue, changes, "blue")
    write_files(folder, changes)
    world = here.world(home=folder)
    bring_about(world, *actions_before(changes))
    run_all(blue, changes, "before")
    cutover = Cutover(probe=False, max_pause=timedelta(seconds=20))
    bring_about(world, SettleTraffic("run"), *cutover.actions())
    write_through(here, changes)
    state = fold(world.journal.records())
    bring_about(world, *actions_of_rollback(cutover, state))
    told.left = read_all(blue, changes, "query")
    run_all(blue, changes, "again")
    wanted = {change.row: list(change.arrived) for change in changes}

    def arrived() -> bool:
        told.arrived = read_all(green, changes, "green")
        return told.arrived == wanted

    # Each change's own test says what is missing.
    with suppress(AssertionError):
        wait_until(arrived, "what blue wrote after the rollback", 20)
    told.acted_again = acts_of(world, actions_before(changes)[1:])
    bring_about(world, SettleTraffic("run"), *cutover.actions())
    ending = [change for change in changes if change.contracted]
    told.before_the_end = read_all(green, ending, "contracted")
    bring_about(world, *Hold(window=timedelta(seconds=1)).actions())
    end = Decommission().actions()
    due, *_ = end
    wait_until(lambda: isinstance(look(due, world), Satisfied), "the window's end")
    bring_about(world, *end)
    told.contracted = read_all(green, ending, "contracted")
    return told


def acts_of(world: World, actions: Sequence[Action[Any]]) -> list[str]:
    """Run actions and say which of them had anything to do."""
    seen = len(world.journal.records())
    bring_about(world, *actions)
    new = world.journal.records()[seen:]
    return [record.action for record in new if record.kind is Kind.INTENT]


def actions_before(changes: Sequence[Change]) -> Sequence[Action[Any]]:
    """Back blue up, copy it, migrate green."""
    migrate = Migrate.model_validate(
        {
            "files": ("m/*.sql",),
            "contract": ("m/later/*.sql",),
            **put_together(changes, "words"),
        }
    )
    replicate = Replicate.model_validate(put_together(changes, "replicate"))
    steps = (Backup(), replicate, migrate)
    return [action for step in steps for action in step.actions()]


@pytest.fixture(scope="module", params=PAIRS, ids=lambda major: f"blue-{major}")
def journey(
    request: pytest.FixtureRequest,
    servers: Callable[..., Server],
    lab_root: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[int, Told]]:
    """All changes of a pair of versions, from the first row to the end of blue."""
    major = request.param
    changes = [change for change in CHANGES if major in change.majors]
    with ExitStack() as stack:

        def pooler(databases: Any, **words: Any) -> Pooler:
            folder = Path(tempfile.mkdtemp(dir=lab_root))
            folder.chmod(0o755)
            return stack.enter_context(Pooler.start(folder, databases, **words))

        pair = DatabasePair(
            create_database(servers(major), "blue"),
            create_database(servers(PAIRS[major]), "green"),
        )
        stack.callback(drop_databases, pair.blue, pair.green)
        here = stack.enter_context(open_arena(pair, pooler))
        yield major, there_and_back(here, tmp_path_factory.mktemp("changes"), changes)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.row)
def test_nothing_is_lost(change: Change, journey: tuple[int, Told]) -> None:
    major, told = journey
    if major not in change.majors:
        assert change.row not in told.left
        return
    assert told.left[change.row] == list(change.left), "on blue, after the rollback"
    assert told.arrived[change.row] == list(change.arrived), "on green, after it"
    if change.contracted:
        assert told.before_the_end[change.row] != [(True,)]
        assert told.contracted[change.row] == [(True,)], "once blue is released"


def test_a_run_after_the_rollback_finds_all_of_it_done(
    journey: tuple[int, Told],
) -> None:
    _, told = journey
    acted = [name for name in told.acted_again if name.startswith("migrate/")]
    assert acted == []

"""Every schema change that can be made compatible, there and back without a loss.

All changes share one pair of databases, one cutover, one rollback and one end, as each
has a schema of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.accept import Accepted
from bluegreen.model.history import fold
from bluegreen.model.record import Kind
from bluegreen.model.verdict import Satisfied
from bluegreen.steps.action import Action
from bluegreen.steps.backup import Backup
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.hold import Hold
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.rollback import actions_of_rollback
from bluegreen.steps.switchover.recover import RecoverSwitchover
from bluegreen.steps.world import World
from tests.e2e.changes import CHANGES
from tests.kit.arena import Arena, bring_about, open_arena
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.sampling import sample
from tests.kit.schema_change import Change, put_together
from tests.kit.schema_journey import (
    Told,
    make_old_shape,
    read_all,
    require_kept,
    run_all,
    settle,
    words_of_migrate,
    write_files,
    write_through,
)
from tests.kit.steps import look
from tests.kit.wait import wait_until

PAIRS = {16: 18, 14: 16}


LEFT = Accepted(
    "reverse/LOSSY/partition-left-behind",
    "it stays on green",
    "r50_child_by_inheritance.child",
)
"""A table that a migration puts below one of blue's; its rows stay on green."""


def there_and_back(here: Arena, folder: Path, changes: Sequence[Change]) -> Told:
    blue, green = here.pair.blue, here.pair.green
    told = Told()
    make_old_shape(here, changes)
    write_files(folder, changes)
    world = here.world(home=folder, limits=Limits(accept=(LEFT,)))
    bring_about(world, *actions_before(changes))
    run_all(blue, changes, "before")
    told.acted_at_once = acts_of(world, actions_before(changes)[1:])
    cutover = Cutover(probe=False, max_pause=timedelta(seconds=20))
    bring_about(world, RecoverSwitchover("run"), *cutover.actions())
    write_through(here, changes)
    state = fold(world.journal.records())
    bring_about(world, *actions_of_rollback(cutover, state))
    settle(here, changes, told)
    told.acted_again = acts_of(world, actions_before(changes)[1:])
    bring_about(world, RecoverSwitchover("run"), *cutover.actions())
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
    migrate = Migrate.model_validate(words_of_migrate(changes))
    replicate = Replicate.model_validate(put_together(changes, "replicate"))
    steps = (Backup(), replicate, migrate)
    return [action for step in steps for action in step.actions()]


@pytest.fixture(
    scope="module", params=sample(PAIRS, 1), ids=lambda major: f"blue-{major}"
)
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


@pytest.mark.together
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.row)
def test_nothing_is_lost(change: Change, journey: tuple[int, Told]) -> None:
    major, told = journey
    if major not in change.majors:
        assert change.row not in told.left
        return
    require_kept(told, change)


def test_a_run_after_the_rollback_finds_all_of_it_done(
    journey: tuple[int, Told],
) -> None:
    _, told = journey
    acted = [name for name in told.acted_again if name.startswith("migrate/")]
    assert acted == []


def test_a_run_right_after_the_migration_finds_all_of_it_done(
    journey: tuple[int, Told],
) -> None:
    _, told = journey
    fresh = {
        "replicate/analyze_green",
        "replicate/create_fence_green",
        "replicate/follow_blue",
    }
    assert [name for name in told.acted_at_once if name not in fresh] == []

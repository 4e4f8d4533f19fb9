"""What `run` and `plan` run, in order. Owns that they both do the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import dropwhile, takewhile
from typing import Any

from bluegreen.model.history import State
from bluegreen.playbook.load import Loaded, require_files
from bluegreen.steps.check import Check
from bluegreen.steps.compat import Compat
from bluegreen.steps.compatibility.order import judge_of, with_judge
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.partitions.take_up import TakeUpPartitions, TakeUpWaiting
from bluegreen.steps.rehearsal import Rehearse
from bluegreen.steps.rehearsed import Plans
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.switchover.order import actions_that_finish
from bluegreen.steps.switchover.recover import RecoverSwitchover
from bluegreen.steps.validate import Validate


def before_steps(state: State) -> Sequence[Action[Any]]:
    """A move that was cut short is ended before all else, whichever side serves.

    Then partitions that the application made on both sides come into the stream.
    """
    return (
        RecoverSwitchover("run"),
        *actions_that_finish("run", state),
        TakeUpPartitions("run"),
        TakeUpWaiting("run"),
    )


def steps_of_run(loaded: Loaded) -> Sequence[Step]:
    """All but what takes blue down, which has its own verb and its own timer."""
    steps = [s for s in loaded.playbook.steps if not isinstance(s, Decommission)]
    copying = next((s for s in steps if isinstance(s, Replicate)), None)
    plans = _plans(steps)
    checked: list[Step] = [
        s.beside(copying, plans) if isinstance(s, Check) else s for s in steps
    ]
    before = takewhile(lambda s: not isinstance(s, Replicate), steps)
    if copying and not any(isinstance(s, Check) for s in before):
        checked.insert(0, Rehearse.of(plans))
    return with_judge(checked)


def require_migrations(loaded: Loaded) -> None:
    """See that every migration is there and can be run, in the first second.

    Apart from loading, so that a lost migration does not stand in a rollback's way.

    Raises:
        PlaybookRefused: 2009.
    """
    require_files(loaded)
    for step in loaded.playbook.steps:
        if isinstance(step, Migrate):
            step.require_readable(loaded.home)


def check_of(loaded: Loaded) -> Check:
    """The playbook's first check as a run does it, or one with the defaults."""
    found = (step for step in steps_of_run(loaded) if isinstance(step, Check))
    return next(found, Check().beside(None, _plans(loaded.playbook.steps)))


def _plans(steps: Sequence[Step]) -> Plans:
    """What is tried beforehand."""
    migrating = tuple(s for s in steps if isinstance(s, Migrate))
    return Plans(migrating, compares=_compares(steps), judge=judge_of(steps))


def _compares(steps: Iterable[Step]) -> bool:
    """Whether a step behind a migration stops at a difference of the schemas."""
    left = dropwhile(lambda step: not isinstance(step, Migrate), steps)
    return any(isinstance(s, Validate) and s.compare_schema for s in left)


def judge_of_run(loaded: Loaded) -> Compat:
    """The analysis as a run asks it, whether or not the playbook names it."""
    return judge_of(loaded.playbook.steps)

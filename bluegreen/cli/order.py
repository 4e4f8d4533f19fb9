"""What `run` and `plan` run, in order. Owns that they both do the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import dropwhile, takewhile
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.history import State
from bluegreen.model.side import Side
from bluegreen.playbook.load import Loaded, require_files
from bluegreen.steps.backup import Backup
from bluegreen.steps.check import Check
from bluegreen.steps.compat import Compat
from bluegreen.steps.compatibility.order import judge_of, with_judge
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.partitions.take_up import TakeUpPartitions, TakeUpWaiting
from bluegreen.steps.rehearsal import Rehearse
from bluegreen.steps.rehearsed import Plans
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.snapshot import Snapshot
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


_FEEDS_GREEN = (Check, Backup, Snapshot, Replicate, Migrate, Compat, Validate)
"""Steps that make nothing but harm where green serves already."""


def steps_up_to(loaded: Loaded, key: str | None, state: State) -> Sequence[Step]:
    """The steps of a run up to the one of that key, which is done too.

    While green serves, what lies before the cutover is over, also where the cutover
    itself is not asked for, or was taken out of the playbook.

    Args:
        loaded: the playbook.
        key: of the last step; None for all of them.
        state: what the journal tells.

    Raises:
        PlaybookRefused: 2008, the playbook has no such step.
    """
    steps = steps_of_run(loaded)
    asked = _cut(loaded, steps, key)
    if state.serving is Side.BLUE or any(isinstance(s, Cutover) for s in asked):
        return asked
    if any(isinstance(step, Cutover) for step in steps):
        return ()
    left = dropwhile(lambda s: not isinstance(s, _FEEDS_GREEN), reversed(asked))
    return asked[len(list(left)) :]


def _cut(loaded: Loaded, steps: Sequence[Step], key: str | None) -> Sequence[Step]:
    if key is None:
        return steps
    named = {step.key for step in loaded.playbook.steps}
    keys = [step.key for step in steps if step.key in named]
    if key in keys:
        return steps[: [step.key for step in steps].index(key) + 1]
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"a run has no step {key!r} to stop behind",
        wanted=f"one of: {', '.join(dict.fromkeys(keys))}",
        hint="blue is taken down by `bluegreen decommission`"
        if key == "decommission"
        else "",
    )


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

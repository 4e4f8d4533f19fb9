"""The verb `run`: do what the playbook says.

Owns the words of the call and what runs before the steps. Running is for `engine/`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, Log, LogForm, PlaybookFile, Until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bluegreen.cli.context import Context
    from bluegreen.engine.events import RunEnded, Tell
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.steps.contract import Step
    from bluegreen.steps.world import World

EXAMPLE = (
    "Examples: bluegreen run shop.yml --plan 3f9a12bc0d11; "
    "bluegreen run shop.yml --until replicate"
)

_NOTICE = b"\nstopping at the next safe point; once more stops at once\n"


def run(
    playbook: PlaybookFile,
    plan: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="Run only what `bluegreen plan` showed."),
    ] = None,
    until: Until = None,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> None:
    """Do what the playbook says, step by step.

    It can be killed at any moment and started again: it looks at the servers and goes
    on from what is there. It ends after the window is open; blue is taken down by
    `decommission`. With --until it ends earlier: the copy may be made days before
    traffic moves. Meanwhile green follows, and blue keeps WAL for it.

    Raises:
        BluegreenError: by its code, what stopped it.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.cli.order import require_migrations
    from bluegreen.cli.people import heard
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.report.answer import show
    from bluegreen.report.teller import InTurn, make_teller

    with (
        InTurn(make_teller(str(log))) as teller,
        Interrupt(_notice) as interrupt,
        open_context(playbook, "run", teller) as open_,
        heard(open_, "run", teller) as tell,
    ):
        require_migrations(open_.loaded)
        ended = _run(open_, Wanted(plan, until), tell, interrupt)
    if until is not None and not ended.waiting:
        ended = replace(ended, goes_on=f"bluegreen run {quote(str(playbook))}")
    show(ended, as_json=json_)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the call asks for: the digest of a plan, the step to stop behind."""

    plan: str | None = None
    until: str | None = None


def _run(open_: Context, wanted: Wanted, tell: Tell, interrupt: Interrupt) -> RunEnded:
    from bluegreen.cli.context import engaged
    from bluegreen.cli.monitoring import monitoring
    from bluegreen.cli.order import before_steps, steps_up_to
    from bluegreen.engine.plan import divide, expand, plan, require_allowed
    from bluegreen.engine.runner import Runner
    from bluegreen.model.history import fold, with_green
    from bluegreen.postgres.catalog.identity import identity_of

    loaded = open_.loaded
    allow, digest = loaded.playbook.allow, loaded.digest
    # Before our schema is built: a playbook that must be fixed touches nothing.
    state = fold(open_.world.journal.records())
    steps = steps_up_to(loaded, wanted.until, state)
    _, ahead = divide(expand(steps), state)
    require_allowed(ahead, allow)
    if not state.seq:
        _look_first(open_.world, steps[:1])
    with engaged(open_) as world, monitoring(world, tell, allow) as monitor_thread:
        state = fold(world.journal.records())
        before = before_steps(with_green(state, identity_of(world.green)))
        if wanted.plan is not None:
            made = plan(
                steps, world, before=before, playbook_digest=digest, allow=allow
            )
            made.require_digest(wanted.plan)
        runner = Runner(
            world,
            run=open_.run,
            allow=allow,
            interrupt=interrupt,
            tell=tell,
            require_fit=monitor_thread.require_fit,
        )
        about = {"verb": "run", "plan": wanted.plan, **open_.about}
        return runner.run(steps, before=before, about=about)


def _look_first(world: World, steps: Sequence[Step]) -> None:
    """Stop a first run that would stop at once, before our schema is built.

    Raises:
        BluegreenError: what the run would stop at.
    """
    from dataclasses import replace

    from bluegreen.cli.order import before_steps
    from bluegreen.engine.plan import plan
    from bluegreen.engine.traffic import traffic_line
    from bluegreen.model.errors import BluegreenError
    from bluegreen.model.history import State
    from bluegreen.model.progress import Progress
    from bluegreen.postgres.catalog.identity import require_own_sides
    from bluegreen.steps.check import Check
    from bluegreen.steps.rehearsal import Rehearse

    told: list[Progress] = []
    checks = [step for step in steps if isinstance(step, Check | Rehearse)]
    quiet = replace(world, tell=told.append)
    try:
        require_own_sides(world.blue, world.green)
        plan(checks, quiet, before=before_steps(State())).require_possible()
    except BluegreenError as error:
        for one in told:
            world.tell(one)
        error.traffic = error.traffic or traffic_line(world)
        raise


def _notice() -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _NOTICE)

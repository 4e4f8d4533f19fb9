"""The verb `run`: do what the playbook says.

Owns the words of the call and what runs before the steps. Running is for `engine/`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, Log, LogForm, PlaybookFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bluegreen.cli.context import Context
    from bluegreen.engine.events import RunEnded, Tell
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.steps.contract import Step
    from bluegreen.steps.world import World

EXAMPLE = "Example: bluegreen run shop.yml --plan 3f9a12bc0d11"

_NOTICE = b"\nstopping at the next safe point; once more stops at once\n"


def run(
    playbook: PlaybookFile,
    plan: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="Run only what `bluegreen plan` showed."),
    ] = None,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> None:
    """Do what the playbook says, step by step.

    It can be killed at any moment and started again: it looks at the servers and goes
    on from what is there. It ends after the window is open; blue is taken down by
    `decommission`.

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
        ended = _run(open_, plan, tell, interrupt)
    show(ended, as_json=json_)


def _run(
    open_: Context, wanted: str | None, tell: Tell, interrupt: Interrupt
) -> RunEnded:
    from bluegreen.cli.context import engaged
    from bluegreen.cli.monitoring import monitoring
    from bluegreen.cli.order import before_steps, steps_of_run
    from bluegreen.engine.plan import divide, expand, plan, require_allowed
    from bluegreen.engine.runner import Runner
    from bluegreen.model.history import fold, with_green
    from bluegreen.postgres.catalog.identity import identity_of

    loaded = open_.loaded
    steps = steps_of_run(loaded)
    allow, digest = loaded.playbook.allow, loaded.digest
    # Before our schema is built: a playbook that must be fixed touches nothing.
    state = fold(open_.world.journal.records())
    _, ahead = divide(expand(steps), state)
    require_allowed(ahead, allow)
    if not state.seq:
        _look_first(open_.world, steps[:1])
    with engaged(open_) as world, monitoring(world, tell, allow) as monitor_thread:
        state = fold(world.journal.records())
        before = before_steps(with_green(state, identity_of(world.green)))
        if wanted is not None:
            made = plan(
                steps, world, before=before, playbook_digest=digest, allow=allow
            )
            made.require_digest(wanted)
        runner = Runner(
            world,
            run=open_.run,
            allow=allow,
            interrupt=interrupt,
            tell=tell,
            require_fit=monitor_thread.require_fit,
        )
        about = {"verb": "run", "plan": wanted, **open_.about}
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

    told: list[Progress] = []
    checks = [step for step in steps if isinstance(step, Check)]
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

"""The verb `rollback`: send traffic back to blue, on call, from any machine.

Owns the words of the call. What a rollback does is in `steps/rollback.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, BlueDsn, GreenDsn, Log, LogForm, PlaybookIfAny
from bluegreen.model.codes import Code

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bluegreen.cli.context import Context
    from bluegreen.engine.events import Tell
    from bluegreen.model.history import State
    from bluegreen.model.progress import Progress
    from bluegreen.report.results import RollbackResult
    from bluegreen.report.teller import Teller
    from bluegreen.steps.world import World

EXAMPLE = (
    "Examples: bluegreen rollback shop.yml --check"
    "; bluegreen rollback --blue 'host=10.0.0.5 dbname=shop user=bg_admin'"
    " --green 'host=10.0.0.6 dbname=shop user=bg_admin'"
)


def rollback(
    playbook: PlaybookIfAny = None,
    blue: BlueDsn = None,
    green: GreenDsn = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether it would work now.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove", help="Where blue may lack rows, compare every row first."
        ),
    ] = False,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> int:
    """Send traffic back to blue without losing a write.

    It is the cutover in the other direction: clients wait for a moment and see no
    error. Without the playbook the two DSNs are enough: the journal in both databases
    holds the playbook's text.

    Raises:
        BluegreenError: by its code, what stopped it; 6001 where data would be lost.
    """
    from bluegreen.cli.people import heard
    from bluegreen.report.teller import make_teller

    with (
        make_teller(str(log)) as teller,
        _opened(playbook, blue, green, teller) as open_,
    ):
        if check:
            return _check(open_, as_json=json_)
        with heard(open_, "rollback", teller) as tell:
            _roll_back(open_, tell, prove=prove, as_json=json_)
    return 0


def _opened(
    playbook: Path | None, blue: str | None, green: str | None, teller: Teller
) -> AbstractContextManager[Context]:
    from bluegreen.cli.context import open_context, open_context_by_dsns
    from bluegreen.model.errors import PlaybookRefused

    if playbook is not None and blue is None and green is None:
        return open_context(playbook, "rollback", teller)
    if playbook is None and blue is not None and green is not None:
        return open_context_by_dsns(blue, green, "rollback", teller)
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        "rollback needs the playbook, or both --blue and --green",
        wanted="`bluegreen rollback shop.yml`, or the two DSNs",
        hint="see `bluegreen rollback --help`",
    )


def _check(open_: Context, *, as_json: bool) -> int:
    from bluegreen.report.answer import show

    result = look_back(open_)
    show(result, as_json=as_json)
    return result.exit_status


def look_back(open_: Context) -> RollbackResult:
    """Whether a rollback would work now, as `rollback --check` says it."""
    from dataclasses import replace

    from bluegreen.engine.plan import plan
    from bluegreen.model.hazard import Hazard
    from bluegreen.model.side import Side
    from bluegreen.report.results import RollbackResult
    from bluegreen.steps.compatibility.rollback_fit import SEEN
    from bluegreen.steps.monitors.gate import gates_of
    from bluegreen.steps.rollback import KEY, actions_of_rollback

    state = _told(open_.world)
    actions = actions_of_rollback(open_.cutover, state, gates_of(KEY, Side.BLUE))
    told: list[Progress] = []
    world = replace(open_.world, tell=told.append)
    made = plan((), world, before=actions, allow=Hazard)
    fit = next((one.values for one in told if one.what == SEEN), None)
    return RollbackResult(made, state.serving, fit)


def _told(world: World) -> State:
    """What the journal tells.

    Raises:
        ServerRefused: 3002, it tells of no run, for which our schema is not built, or
            the sides are exchanged.
    """
    from bluegreen.cli.context import no_journal
    from bluegreen.model.history import fold
    from bluegreen.postgres.catalog.identity import require_own_sides

    state = fold(world.journal.records())
    if state.released:
        return state  # Blue may be gone; nothing but the refusal follows.
    require_own_sides(world.blue, world.green)
    if not state.seq:
        raise no_journal(world.blue, world.green)
    return state


def _refuse_released(open_: Context, state: State) -> None:
    """Without the lease: blue may be gone.

    Raises:
        RollbackUnavailable: 6002.
    """
    from bluegreen.engine.plan import plan
    from bluegreen.engine.traffic import traffic_line
    from bluegreen.model.errors import BluegreenError
    from bluegreen.steps.rollback import actions_of_rollback

    actions = actions_of_rollback(open_.cutover, state)
    try:
        plan((), open_.world, before=actions).require_possible()
    except BluegreenError as error:
        error.traffic = traffic_line(open_.world)
        raise


def _roll_back(open_: Context, tell: Tell, *, prove: bool, as_json: bool) -> None:
    from bluegreen.cli.context import engaged
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.engine.runner import Runner
    from bluegreen.model.hazard import Hazard
    from bluegreen.model.history import fold
    from bluegreen.model.side import Side
    from bluegreen.report.answer import show
    from bluegreen.steps.monitors.gate import gates_of
    from bluegreen.steps.rollback import KEY, actions_of_rollback

    if (told := _told(open_.world)).released:
        _refuse_released(open_, told)
    with engaged(open_) as world, Interrupt() as interrupt:
        # A person who asks for a rollback has allowed what it does.
        runner = Runner(
            world, run=open_.run, allow=Hazard, interrupt=interrupt, tell=tell
        )
        about = {"verb": "rollback", **open_.about}
        state = fold(world.journal.records())
        gates = gates_of(KEY, Side.BLUE)
        actions = actions_of_rollback(open_.cutover, state, gates, prove=prove)
        ended = runner.run((), before=actions, about=about)
    show(ended, as_json=as_json)
